// A moment in the viewer's own time; the title gives it in UTC.
export default {
  template: `<time :datetime="iso" :title="iso">{{ shown }}</time>`,
  props: { ms: Number, iso: String },
  computed: {
    shown() {
      const time = new Date(this.ms);
      const day = time.toLocaleDateString([], { day: "numeric", month: "short", year: "numeric" });
      return day + " " + time.toLocaleTimeString([], { hour12: false });
    },
  },
};
