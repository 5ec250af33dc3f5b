// What a browser of rows has to know of targets.
window.relxTask = {
  // The spans that a sentence is marked with: rows[name][r] is [start, end], or null for none.
  spans: [{ name: "target", title: "Target", none: "the whole sentence" }],
  // What rows can be filtered by besides their labels: all values, and the index of each row's.
  facets: [
    {
      name: "about", title: "About",
      values: () => ["a target", "the whole sentence"],
      column: ({ rows }) => rows.target.map((span) => Number(span === null)),
    },
  ],
  // A mistake between two labels neither of which is the negative one.
  confused: { value: "wrong-label", title: "Wrong label" },
};
