// Stacked bars over time. Values are numbers and bound text; colours are classes of the style sheet.
export default {
  template: `
    <figure class="tm-chart" role="img" :aria-label="told">
      <div class="tm-chart-scale" aria-hidden="true"><span>{{ brief(top) }}</span><span>{{ brief(top / 2) }}</span><span>0</span></div>
      <div class="tm-chart-bars" aria-hidden="true">
        <span v-for="bar in bars" :key="bar.ms" :class="['tm-chart-bar', {'tm-link': bar.address}]" :title="tip(bar)" @click="open(bar)">
          <span v-for="part in bar.parts" :key="part.name" :class="'tm-series-' + part.series" :style="{height: share(part.value)}"></span>
        </span>
      </div>
      <div class="tm-chart-times" aria-hidden="true"><span v-for="ms in times" :key="ms">{{ clock(ms) }}</span></div>
    </figure>`,
  props: { bars: Array, told: String, day: Boolean },
  computed: {
    top() {
      const most = Math.max(...this.bars.map((bar) => bar.parts.reduce((sum, part) => sum + part.value, 0)), 1);
      const unit = 10 ** Math.floor(Math.log10(most));
      return [1, 2, 4, 5, 10].map((step) => step * unit).find((step) => step >= most);
    },
    times() {
      const count = this.bars.length;
      return [0, 0.25, 0.5, 0.75].map((part) => this.bars[Math.floor(part * count)].ms).concat(this.bars[count - 1].ms);
    },
  },
  methods: {
    open(bar) {
      if (bar.address) window.location.assign(bar.address);
    },
    share(value) {
      return (100 * value) / this.top + "%";
    },
    brief(number) {
      return number >= 1e6 ? number / 1e6 + " M" : number >= 1e4 ? number / 1e3 + " k" : String(number);
    },
    clock(ms) {
      const time = new Date(ms);
      if (this.day) return time.toLocaleDateString([], { day: "numeric", month: "short" });
      return time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
    },
    tip(bar) {
      const lines = bar.parts.filter((part) => part.value).map((part) => part.name + ": " + part.value.toLocaleString());
      return [new Date(bar.ms).toLocaleString([], { hour12: false }), ...lines].join("\n");
    },
  },
};
