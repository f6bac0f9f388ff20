// The rows of the attack list. Values are bound by Vue as text; nothing here makes markup out of them.
// A click on a value narrows the search to it; a click elsewhere in the row opens the attack.
const COLUMNS = [
  ["last", "Last seen", "tm-when"], ["type", "Type", "tm-type"], ["source", "Source", "tm-source"],
  ["target", "Target", "tm-target"], ["parameter", "Parameter", "tm-param"], ["", "Payload", "tm-payload"],
  ["hits", "Hits", "tm-num tm-hits"], ["", "Response", "tm-num tm-status"],
];
export default {
  template: `
    <div class="tm-table-wrap">
      <table class="tm-table tm-attacks" aria-label="Attacks">
        <thead>
          <tr>
            <th v-for="[name, label, classes] in columns" :key="label" scope="col" :class="classes" :aria-sort="sorted(name)">
              <button v-if="name" type="button" class="tm-sort" @click="turn(name)">{{ label
                }}<span aria-hidden="true">{{ arrow(name) }}</span></button>
              <template v-else>{{ label }}</template>
            </th>
          </tr>
        </thead>
        <tbody>
          <tr v-for="row in rows" :key="row.id" :class="{'tm-fresh': isFresh(row)}" @click="open($event, row)">
            <td class="tm-when"><a :href="'/attacks/' + row.id" :aria-label="'Attack ' + row.id + ', ' + row.type_name"
              ><time :datetime="row.iso" :title="row.iso">{{ shown(row.time_ms) }}</time></a></td>
            <td class="tm-type"><button type="button" tabindex="-1" :class="'tm-pick tm-badge tm-' + row.family"
              :title="'Only ' + row.type" @click.stop="narrow(row.terms.type)">{{ row.type_name }}</button>
              <button v-if="row.severity" type="button" tabindex="-1" :class="'tm-pick tm-level tm-severity-' + row.severity"
              :title="'Only ' + row.severity" @click.stop="narrow(row.terms.severity)">{{ row.severity }}</button>
              <button v-if="row.proof" type="button" tabindex="-1" class="tm-pick tm-proof"
              :title="'It worked: ' + row.proof" @click.stop="narrow('incidents')">incident</button></td>
            <td class="tm-source"><button type="button" tabindex="-1" class="tm-pick tm-mono" :title="'Only ' + row.source"
              @click.stop="narrow(row.terms.source)">{{ row.source }}</button>
              <span v-if="row.more_sources" class="tm-more">+{{ row.more_sources }}</span>
              <div v-if="row.country || row.mark" class="tm-about">
              <button v-if="row.country" type="button" tabindex="-1" class="tm-pick tm-country" :title="row.about_source"
              @click.stop="narrow(row.terms.country)">{{ row.country }}</button>
              <button v-if="row.mark" type="button" tabindex="-1" :class="'tm-pick tm-list-mark tm-mark-' + row.mark"
              :title="'On the ' + row.mark + ' list'" @click.stop="narrow(row.terms.mark)">{{ row.mark }}</button></div></td>
            <td class="tm-target"><button type="button" tabindex="-1" class="tm-pick tm-host" :title="'Only ' + row.host"
              @click.stop="narrow(row.terms.host)">{{ row.host }}</button>
              <button type="button" tabindex="-1" class="tm-pick tm-path" :title="'Only ' + row.path"
              @click.stop="narrow(row.terms.path)"><b v-if="row.method">{{ row.method }}</b> {{ row.path }}</button></td>
            <td class="tm-param"><button type="button" tabindex="-1" class="tm-pick tm-mono" :title="row.point"
              @click.stop="narrow(row.terms.parameter)">{{ row.parameter }}</button></td>
            <td class="tm-payload"><code :class="{'tm-shorter': row.more_payloads}" :title="row.payload">{{ row.payload }}</code>
              <span v-if="row.more_payloads" class="tm-more">+{{ row.more_payloads }}</span></td>
            <td class="tm-num tm-hits"><span class="tm-label">Hits</span>{{ row.hits }}</td>
            <td class="tm-num tm-status"><button type="button" tabindex="-1" :class="'tm-pick tm-code tm-' + row.status_family"
              :title="'Only response ' + row.status" @click.stop="narrow(row.terms.status)">{{ row.status }}</button></td>
          </tr>
        </tbody>
      </table>
    </div>`,
  props: { rows: Array, sort: String },
  data: () => ({ known: new Set(), columns: COLUMNS }),
  created() {
    this.rows.forEach((row) => this.known.add(row.id));
  },
  methods: {
    isFresh(row) {
      return !this.known.has(row.id);
    },
    narrow(term) {
      if (term && !String(window.getSelection())) this.$emit("narrow", term);
    },
    sorted(name) {
      return !name || this.sort.replace("-", "") !== name ? null : this.sort.startsWith("-") ? "descending" : "ascending";
    },
    arrow(name) {
      return { descending: " ↓", ascending: " ↑" }[this.sorted(name)] || "";
    },
    turn(name) {
      const words = ["type", "source", "target", "parameter"].includes(name);
      const first = words ? name : "-" + name;
      this.$emit("sort", this.sort === first ? (words ? "-" + name : name) : first);
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
