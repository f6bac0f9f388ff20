// The rows of the attack list. Values are bound by Vue as text; nothing here makes markup out of them.
export default {
  template: `
    <div class="tm-table-wrap">
      <table class="tm-table" aria-label="Attacks">
        <thead>
          <tr>
            <th scope="col">Last seen</th><th scope="col">Type</th><th scope="col">Source</th><th scope="col">Target</th>
            <th scope="col">Parameter</th><th scope="col">Payload</th><th scope="col" class="tm-num">Hits</th>
            <th scope="col" class="tm-num">Response</th>
          </tr>
        </thead>
        <tbody>
          <tr v-for="row in rows" :key="row.id" :class="{'tm-fresh': isFresh(row)}" @click="open($event, row)">
            <td class="tm-when"><a :href="'/attacks/' + row.id" :aria-label="'Attack ' + row.id + ', ' + row.type_name"
              ><time :datetime="row.iso" :title="row.iso">{{ shown(row.time_ms) }}</time></a></td>
            <td class="tm-type"><span :class="'tm-badge tm-' + row.family" :title="row.type">{{ row.type_name }}</span></td>
            <td class="tm-source"><span class="tm-mono" :title="row.source">{{ row.source }}</span>
              <span v-if="row.more_sources" class="tm-more">+{{ row.more_sources }}</span></td>
            <td class="tm-target"><span class="tm-host" :title="row.host">{{ row.host }}</span>
              <span class="tm-path" :title="row.path"><b v-if="row.method">{{ row.method }}</b> {{ row.path }}</span></td>
            <td class="tm-param"><span class="tm-mono" :title="row.point">{{ row.parameter }}</span></td>
            <td class="tm-payload"><code :class="{'tm-shorter': row.more_payloads}" :title="row.payload">{{ row.payload }}</code>
              <span v-if="row.more_payloads" class="tm-more">+{{ row.more_payloads }}</span></td>
            <td class="tm-num tm-hits"><span class="tm-label">Hits</span>{{ row.hits }}</td>
            <td class="tm-num tm-status"><span :class="'tm-code tm-' + row.status_family">{{ row.status }}</span></td>
          </tr>
        </tbody>
      </table>
    </div>`,
  props: { rows: Array },
  data: () => ({ known: new Set() }),
  created() {
    this.rows.forEach((row) => this.known.add(row.id));
  },
  methods: {
    isFresh(row) {
      return !this.known.has(row.id);
    },
    open(event, row) {
      // The link in the first cell is what keyboards and readers use; the rest of the row is a convenience for the mouse.
      if (event.target.closest("a") || String(window.getSelection())) return;
      const address = "/attacks/" + row.id;
      if (event.metaKey || event.ctrlKey) window.open(address, "_blank", "noopener");
      else window.location.assign(address);
    },
    shown(ms) {
      const time = new Date(ms);
      const clock = time.toLocaleTimeString([], { hour12: false });
      if (time.toDateString() === new Date().toDateString()) return clock;
      return time.toLocaleDateString([], { day: "numeric", month: "short" }) + " " + clock;
    },
  },
};
