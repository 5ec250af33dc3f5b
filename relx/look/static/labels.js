// How the labels of a row are shown: one, or any number.
(() => {
  "use strict";
  const report = window.relxReport;
  const { element, rows } = report;
  const named = (at) => rows.labels[at];
  const same = (a, b) => a.length === b.length && a.every((at) => b.includes(at));

  const one = () => {
    const gold = (row) => rows.listOf("gold", row)[0];
    const predicted = (row) => rows.listOf("predicted", row)[0];
    return {
      brief: (row) => {
        if (rows.isRight(row)) return [element("span", { class: "right" }, "✓ ", named(gold(row)))];
        return [element("span", { class: "gold" }, named(gold(row))),
          element("span", { class: "arrow" }, " → "),
          element("span", { class: "wrong" }, named(predicted(row)))];
      },
      gold: (row) => [named(gold(row))],
      predicted: (row) => [named(predicted(row)),
        element("span", { class: "percent" }, report.percent(rows.confidence[row]))],
      facts: () => [],
      roles: (row, at) => ["gold", "predicted"].filter((role) => rows.listOf(role, row)[0] === at),
      inWords: (row) => `${named(gold(row))}, ${
        rows.isRight(row) ? "right" : `predicted ${named(predicted(row))}`}`,
      // Rows with the same answer: what shows them, and what they are.
      alike: (row) => {
        const changes = { gold: gold(row), predicted: predicted(row) };
        const count = rows.id.reduce((sum, _, at) => (
          sum + (gold(at) === changes.gold && predicted(at) === changes.predicted)), 0);
        return [{ changes, count, what: "with this gold label and prediction" }];
      },
      columns: {
        gold: (row) => named(gold(row)),
        predicted: (row) => named(predicted(row)),
        confidence: (row) => rows.confidence[row] / 10000,
        gold_probability: (row) => rows.probabilities[row][gold(row)] / 10000,
      },
    };
  };

  const many = () => {
    const { chip, none, verdicts } = window.relxChips;
    const of = (row) => verdicts(rows.listOf("gold", row), rows.listOf("predicted", row));
    const shown = (row, kinds) => {
      const found = of(row).filter(({ is }) => kinds.includes(is));
      if (found.length) return found.flatMap(({ at, is }) => [chip(named(at), is), " "]);
      return [none(rows.isRight(row) ? "right" : "")];
    };
    const gold = (row) => rows.listOf("gold", row), predicted = (row) => rows.listOf("predicted", row);
    const text = (list) => list.map(named).join(", ") || "no label";
    const counted = (name, at) => rows.id.reduce((sum, _, row) => (
      sum + rows.listOf(name, row).includes(at)), 0);
    const list = (name) => (row) => rows.listOf(name, row).map(named).join("|");
    return {
      brief: (row) => shown(row, ["right", "missing", "surplus"]),
      gold: (row) => shown(row, ["right", "missing"]),
      predicted: (row) => shown(row, ["right", "surplus"]),
      facts: (row) => [["Confidence, of the least sure label", report.percent(rows.confidence[row])]],
      roles: (row, at) => of(row).filter((found) => found.at === at).map(({ is }) => is),
      inWords: (row) => `${text(gold(row))}, ${
        same(gold(row), predicted(row)) ? "right" : `predicted ${text(predicted(row))}`}`,
      alike: (row) => ["missing", "surplus"].flatMap((name) => rows.listOf(name, row).map((at) => (
        { changes: { [name]: at }, count: counted(name, at), what: `in which ${named(at)} is ${name}` }))),
      columns: {
        gold: list("gold"), predicted: list("predicted"),
        missing: list("missing"), surplus: list("surplus"),
        confidence: (row) => rows.confidence[row] / 10000,
        ...Object.fromEntries(rows.labels.map((label, at) => (
          [`p(${label})`, (row) => rows.probabilities[row][at] / 10000]))),
      },
    };
  };

  report.labels = rows.many ? many() : one();
})();
