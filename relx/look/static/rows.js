// The rows as columns of numbers, and which of them a view shows.
(() => {
  "use strict";
  const report = window.relxReport;
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const { spans, facets, confused } = window.relxTask;
  const { labels, negative, groups, rows, cutoffs = null } = data;
  const count = rows.id.length;
  const answers = report.answersOf(data, confused);
  const { kinds, kind, confidence, lists } = answers;

  // Hangul may come as syllables or as letters that are put together: both are found.
  const folded = (text) => text.normalize("NFC").toLowerCase();
  const texts = rows.sentence.map((sentence, row) => {
    const parts = [sentence, ...spans.map(({ name }) => word(name, row)), rows.id[row]];
    return folded(parts.join("\n"));
  });
  const terms = (query) => folded(query).split(/\s+/).filter(Boolean);

  function word(span, row) {
    if (rows[span][row] === null) return "";
    const [start, end] = rows[span][row];
    return rows.sentence[row].slice(start, end);
  }

  // The orders are made once; a view goes through one of them and never sorts.
  const file = Uint32Array.from({ length: count }, (_, row) => row);
  const orders = Object.fromEntries(answers.sorts.map(({ value, by }) => (
    [value, by ? Uint32Array.from(file).sort((a, b) => by(a, b) || a - b) : file])));

  // An id may occur twice in a file: each row has a key of its own.
  const rowOf = new Map();
  const keys = rows.id.map((id, row) => {
    let key = String(id);
    while (rowOf.has(key)) key += "'";
    rowOf.set(key, row);
    return key;
  });

  // A column has an index a row, or a list of them.
  const given = facets.map(({ name, title, values, column }) => (
    { name, title, values: values(data), column: Uint16Array.from(column(data)) }));
  const all = [...answers.facets, ...given];
  const columns = Object.fromEntries(all.map(({ name, column }) => [name, column]));
  const names = Object.fromEntries(all.map(({ name, values }) => [name, values]));
  const FACETS = Object.keys(columns);
  const holds = (own, wanted) => (typeof own === "number" ? own === wanted : own.includes(wanted));
  const add = (counts, own) => {
    if (typeof own === "number") counts[own] += 1;
    else for (const at of own) counts[at] += 1;
  };

  // Counts a row for each choice that would show it, all other filters as they are.
  const countRow = (counts, failed, row) => {
    kinds.forEach(({ bits }, at) => {
      if (bits & kind[row] && !(failed & ~1)) counts.kind[at] += 1;
    });
    FACETS.forEach((name, at) => {
      if (!(failed & ~(2 << at))) add(counts[name], columns[name][row]);
    });
  };

  const select = (view) => {
    const { bits } = kinds.find(({ value }) => value === view.kind);
    const wanted = FACETS.map((name) => view[name]);
    const low = Math.round((view.min ?? 0) * 100), high = Math.round((view.max ?? 100) * 100);
    const words = terms(view.q);
    const counts = { kind: new Uint32Array(kinds.length) };
    for (const name of FACETS) counts[name] = new Uint32Array(names[name].length);
    const hits = new Uint32Array(count), places = new Int32Array(count).fill(-1);
    let found = 0;
    for (const row of orders[view.sort]) {
      if (confidence[row] < low || confidence[row] > high) continue;
      let failed = kind[row] & bits ? 0 : 1;
      for (let at = 0; at < wanted.length; at += 1) {
        if (wanted[at] !== null && !holds(columns[FACETS[at]][row], wanted[at])) failed |= 2 << at;
      }
      if (failed & (failed - 1)) continue; // two filters hide it: no single choice would show it
      if (!words.every((term) => texts[row].includes(term))) continue;
      countRow(counts, failed, row);
      if (failed) continue;
      places[row] = found;
      hits[found] = row;
      found += 1;
    }
    return { hits: hits.subarray(0, found), places, counts };
  };

  report.rows = {
    count, labels, negative, groups, names, kinds, sorts: answers.sorts, keys, rowOf, confidence,
    cutoffs, pair: answers.pair, many: cutoffs !== null,
    titles: Object.fromEntries(all.map(({ name, title }) => [name, title])),
    id: rows.id, sentence: rows.sentence, spans, facets, probabilities: rows.probabilities,
    folded, terms, word, select,
    // The labels of a row, such as its `gold` ones; a facet's values, the last where there is none.
    listOf: (name, row) => lists[name][row],
    valuesOf: (name, row) => [columns[name][row]].flat(),
    placeOf: (span, row) => rows[span][row],
    valueOf: (facet, row) => names[facet][columns[facet][row]],
    isRight: (row) => answers.isRight(kind[row]),
    verdict: (row) => answers.verdict(kind[row]),
  };
})();
