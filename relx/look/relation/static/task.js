// What a browser of rows has to know of relations.
window.relxTask = {
  // The spans that a sentence is marked with: rows[name][r] is [start, end, …], or null for none.
  spans: [
    { name: "subject", title: "Subject" },
    { name: "object", title: "Object" },
  ],
  // What rows can be filtered by besides their labels: all values, and the index of each row's.
  facets: [
    {
      name: "subject", title: "Subject",
      values: ({ types }) => types, column: ({ rows }) => rows.subject.map((span) => span[2]),
    },
    {
      name: "object", title: "Object",
      values: ({ types }) => types, column: ({ rows }) => rows.object.map((span) => span[2]),
    },
    {
      name: "source", title: "Source",
      values: ({ sources }) => sources, column: ({ rows }) => rows.source,
    },
  ],
  // A mistake between two labels neither of which is the negative one.
  confused: { value: "wrong-relation", title: "Wrong relation" },
};
