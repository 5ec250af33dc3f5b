// Which labels are taken for which others among some rows, the commonest first: a row's mistakes
// are pairs, such as a gold label and a predicted one.
(() => {
  "use strict";
  const report = window.relxReport;
  const { element, button, rows } = report;
  const MOST = 8;
  const { down, across } = rows.pair;
  const nameOf = (facet, at) => rows.names[facet][at] || "–";

  const counted = (hits) => {
    const size = rows.names[down].length, counts = new Map();
    for (const row of hits) {
      if (rows.isRight(row)) continue;
      for (const from of rows.valuesOf(down, row)) {
        for (const to of rows.valuesOf(across, row)) {
          const key = from * size + to;
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }
      }
    }
    const common = [...counts].sort((a, b) => b[1] - a[1]).slice(0, MOST);
    return common.map(([key, count]) => ({ from: Math.floor(key / size), to: key % size, count }));
  };

  // A list whose items filter, or null where nothing is mixed up.
  report.mixUps = (hits, filter) => {
    const pairs = counted(hits);
    if (!pairs.length) return null;
    const items = pairs.map(({ from, to, count }) => {
      const share = `--share:${count / pairs[0].count}`;
      const made = button("", () => filter({ [down]: from, [across]: to }), { class: "mixed", style: share });
      const arrow = element("span", { class: "arrow" }, "→");
      made.append(element("span", {}, nameOf(down, from)), arrow,
        element("span", {}, nameOf(across, to)), element("b", {}, report.number(count)));
      return element("li", {}, made);
    });
    return element("ul", { class: "plain" }, ...items);
  };
})();
