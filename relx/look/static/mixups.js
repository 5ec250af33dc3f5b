// Which labels are taken for which others among some rows, the commonest first.
(() => {
  "use strict";
  const report = window.relxReport;
  const { element, button, rows } = report;
  const MOST = 8;

  const counted = (hits) => {
    const size = rows.labels.length, counts = new Map();
    for (const at of hits) {
      const key = rows.gold[at] * size + rows.predicted[at];
      if (!rows.isRight(at)) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const common = [...counts].sort((a, b) => b[1] - a[1]).slice(0, MOST);
    return common.map(([key, count]) => (
      { gold: Math.floor(key / size), predicted: key % size, count }));
  };

  // A list whose items filter, or null where nothing is mixed up.
  report.mixUps = (hits, filter) => {
    const pairs = counted(hits);
    if (!pairs.length) return null;
    const items = pairs.map(({ gold, predicted, count }) => {
      const share = `--share:${count / pairs[0].count}`;
      const made = button("", () => filter({ gold, predicted }), { class: "mixed", style: share });
      const arrow = element("span", { class: "arrow" }, "→");
      made.append(element("span", {}, rows.labels[gold]), arrow,
        element("span", {}, rows.labels[predicted]), element("b", {}, report.number(count)));
      return element("li", {}, made);
    });
    return element("ul", { class: "plain" }, ...items);
  };
})();
