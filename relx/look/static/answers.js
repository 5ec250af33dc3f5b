// How rows are told apart by what was answered: with one label each, and with any number of them.
(() => {
  "use strict";
  const report = window.relxReport;
  const FIRST = 1, SECOND = 2, THIRD = 4, RIGHT = 8; // a row's kind is a bit
  const MISTAKE = FIRST | SECOND | THIRD;
  const kindsWith = (between) => [
    { value: "mistakes", title: "Mistakes", bits: MISTAKE },
    ...between,
    { value: "right", title: "Right", bits: RIGHT },
    { value: "all", title: "All", bits: MISTAKE | RIGHT },
  ];
  const isRight = (kind) => kind === RIGHT;
  const SURE = { value: "confident", title: "Most confident first" };
  const UNSURE = { value: "unsure", title: "Least confident first" };
  const FILE = { value: "file", title: "As in the file" };

  // One label: a mistake is between two labels, and may miss or invent what the negative one lacks.
  const oneOf = ({ labels, negative, rows }, confused) => {
    const { gold, predicted, probabilities } = rows;
    const kindOf = (is, said) => {
      if (is === said) return RIGHT;
      if (is === negative) return FIRST;
      return said === negative ? SECOND : THIRD;
    };
    const named = negative === null ? [] : [
      { value: "false-positives", title: "False positives", bits: FIRST },
      { value: "false-negatives", title: "False negatives", bits: SECOND },
      { ...confused, bits: THIRD },
    ];
    const words = { 1: "False positive", 2: "False negative", 4: confused?.title, 8: "Right" };
    // Of the label that was predicted, in hundredths of a percent.
    const confidence = Uint16Array.from(probabilities, (shares, row) => shares[predicted[row]]);
    return {
      kinds: kindsWith(named),
      kind: Uint8Array.from(gold, (is, row) => kindOf(is, predicted[row])),
      verdict: (kind) => (negative === null && kind !== RIGHT ? "Mistake" : words[kind]),
      isRight, confidence,
      sorts: [{ ...SURE, by: (a, b) => confidence[b] - confidence[a] },
        { ...UNSURE, by: (a, b) => confidence[a] - confidence[b] }, FILE],
      facets: [
        { name: "gold", title: "Gold", values: labels, column: Uint16Array.from(gold) },
        { name: "predicted", title: "Predicted", values: labels, column: Uint16Array.from(predicted) },
      ],
      // What a mistake is between: a row has one label of each.
      pair: { down: "gold", across: "predicted", shared: true,
        corner: "gold ↓ predicted →", mixed: "Most often mixed up here: gold → predicted",
        caption: "Gold labels down, predicted labels across",
        lineTitle: (name) => `All rows with gold ${name}`,
        columnTitle: (name) => `All rows predicted as ${name}` },
      lists: { gold: gold.map((at) => [at]), predicted: predicted.map((at) => [at]) },
    };
  };

  // Any number of labels: a label is missing, or is there and should not be, or both happens.
  const anyOf = ({ labels, rows }) => {
    const { gold, predicted, probabilities } = rows;
    const without = (own, other) => own.map((list, row) => list.filter((at) => !other[row].includes(at)));
    const missing = without(gold, predicted), surplus = without(predicted, gold);
    const kindOf = (row) => {
      const lacks = missing[row].length > 0, invents = surplus[row].length > 0;
      if (lacks && invents) return THIRD;
      return lacks ? FIRST : invents ? SECOND : RIGHT;
    };
    // Of the label that is least sure: a row is as sure as that.
    const least = (shares, row) => Math.min(...shares.map((share, at) => (
      predicted[row].includes(at) ? share : 10000 - share)));
    const confidence = Uint16Array.from(probabilities, least);
    // How far the worst mistake is from the truth; less than nothing where there is none.
    const error = Int32Array.from(probabilities, (shares, row) => {
      const wrong = [...missing[row].map((at) => 10000 - shares[at]), ...surplus[row].map((at) => shares[at])];
      return wrong.length ? Math.max(...wrong) : confidence[row] - 10001;
    });
    const worst = { value: "worst", title: "Worst mistakes first", by: (a, b) => error[b] - error[a] };
    const named = [...labels, ""]; // the last is of rows without any
    const orNone = (lists) => lists.map((list) => (list.length ? list : [labels.length]));
    const facet = (name, title, lists) => ({ name, title, values: named, column: orNone(lists) });
    return {
      kinds: kindsWith([
        { value: "missing", title: "Missing", bits: FIRST },
        { value: "surplus", title: "Surplus", bits: SECOND },
        { value: "both", title: "Both", bits: THIRD },
      ]),
      kind: Uint8Array.from(gold, (_, row) => kindOf(row)),
      verdict: (kind) => ({ 1: "− Missing", 2: "+ Surplus", 4: "− Missing and + surplus", 8: "✓ Right" })[kind],
      isRight, confidence,
      sorts: [worst, { ...SURE, by: (a, b) => confidence[b] - confidence[a] },
        { ...UNSURE, by: (a, b) => confidence[a] - confidence[b] }, FILE],
      facets: [
        facet("gold", "Gold", gold), facet("predicted", "Predicted", predicted),
        facet("missing", "Missing", missing), facet("surplus", "Surplus", surplus),
      ],
      pair: { down: "missing", across: "surplus", shared: false,
        corner: "missing ↓ surplus →", mixed: "Most often wrong here: missing → surplus",
        caption: "Missing labels down, surplus labels across",
        lineTitle: (name) => `All rows in which ${name} is missing`,
        columnTitle: (name) => `All rows in which ${name} is surplus` },
      lists: { gold, predicted, missing, surplus },
    };
  };

  // Where there are cut-offs, a row has a list of labels; else it has one, by its index.
  report.answersOf = (data, confused) => (data.cutoffs ? anyOf(data) : oneOf(data, confused));
})();
