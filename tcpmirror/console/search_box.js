// The search box: a combobox whose list completes the word at the caret (WAI-ARIA, "list autocomplete with manual selection").
export default {
  template: `
    <div class="tm-search" role="search">
      <label class="tm-search-label" :for="id">Search</label>
      <input :id="id" ref="input" type="text" role="combobox" aria-autocomplete="list" autocomplete="off" spellcheck="false"
        autocapitalize="none" :maxlength="limit" placeholder="sqli last 24h statuscode:5xx ip:10.0.0.0/8 !domain:test.*"
        :value="text" :aria-expanded="String(open)" :aria-controls="id + '-list'" :aria-invalid="String(!!problem)"
        :aria-describedby="id + '-problem'" :aria-activedescendant="open && at >= 0 ? id + '-' + at : null"
        @input="typed" @keydown="pressed" @click="complete" @blur="open = false" />
      <button v-if="text" type="button" class="tm-search-clear" aria-label="Clear the search" @click="clear">×</button>
      <ul v-show="open" :id="id + '-list'" role="listbox" aria-label="Completions" class="tm-completions">
        <li v-for="(one, index) in offered" :id="id + '-' + index" :key="one.text" role="option"
          :aria-selected="String(index === at)" :class="{'tm-chosen': index === at}" @mousedown.prevent="take(one)">
          <code>{{ one.text }}</code><span>{{ one.about }}</span></li>
      </ul>
      <p :id="id + '-problem'" class="tm-search-problem" role="status">{{ problem }}</p>
    </div>`,
  props: { search: String, problem: String, completions: Array, limit: Number },
  data() {
    return { id: "tm-search-" + Math.random().toString(36).slice(2), text: this.search, open: false, at: -1, offered: [], wait: 0 };
  },
  watch: {
    search(value) {
      if (value !== this.sent) this.text = value;  // else it is what was typed here, and typing may have gone on
      this.sent = value;
    },
  },
  mounted() {
    this.hear = (event) => {
      const typing = event.target.closest("input, textarea, select, [contenteditable]");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.$refs.input.focus();
    };
    document.addEventListener("keydown", this.hear);
    this.back = () => this.$emit("back", Object.fromEntries(new URLSearchParams(window.location.search)));
    window.addEventListener("popstate", this.back);
  },
  unmounted() {
    window.removeEventListener("popstate", this.back);
    document.removeEventListener("keydown", this.hear);
  },
  methods: {
    typed(event) {
      this.text = event.target.value;
      clearTimeout(this.wait);
      this.wait = setTimeout(this.send, 350);
      this.complete();
    },
    send() {
      clearTimeout(this.wait);
      this.sent = this.text.trim();
      this.$emit("search", this.sent);
    },
    clear() {
      this.text = "";
      this.open = false;
      this.send();
      this.$refs.input.focus();
    },
    word() {
      const caret = this.$refs.input.selectionStart;
      const start = this.text.slice(0, caret).search(/[^\s()!]*$/);
      return { start, caret, text: this.text.slice(start, caret).toLowerCase() };
    },
    complete() {
      const { text } = this.word();
      const fits = (one) => one.text.toLowerCase().startsWith(text) && one.text.toLowerCase() !== text;
      this.offered = this.completions.filter(fits).slice(0, 8);
      this.open = this.offered.length > 0;
      this.at = -1;
    },
    take(one) {
      const { start, caret } = this.word();
      const after = one.text.endsWith(":") ? "" : " ";
      this.text = this.text.slice(0, start) + one.text + after + this.text.slice(caret).trimStart();
      this.$nextTick(() => {
        const end = start + one.text.length + after.length;
        this.$refs.input.focus();
        this.$refs.input.setSelectionRange(end, end);
        this.open = false;
        if (after) this.send();
        else this.complete();
      });
    },
    pressed(event) {
      const steps = { ArrowDown: 1, ArrowUp: -1 };
      if (event.key in steps) {
        event.preventDefault();
        if (!this.open) return this.complete();
        const count = this.offered.length;
        this.at = (this.at + steps[event.key] + count + (this.at < 0 && event.key === "ArrowUp" ? 1 : 0)) % count;
      } else if (event.key === "Enter" || (event.key === "Tab" && this.open && this.at >= 0)) {
        if (this.open && this.at >= 0) {
          event.preventDefault();
          this.take(this.offered[this.at]);
        } else {
          this.open = false;
          this.send();
        }
      } else if (event.key === "Escape") {
        this.open = false;
      }
    },
  },
};
