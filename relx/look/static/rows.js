// The rows as columns of numbers, and which of them a view shows.
(() => {
  "use strict";
  const report = window.relxReport;
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const { spans, facets, confused } = window.relxTask;
  const { labels, negative, groups, rows } = data;
  const count = rows.id.length;

  const gold = Uint16Array.from(rows.gold);
  const predicted = Uint16Array.from(rows.predicted);
  // Of the label that was predicted, in hundredths of a percent.
  const confidence = Uint16Array.from(rows.probabilities, (shares, row) => shares[predicted[row]]);

  // A row is of several kinds: each kind is a bit.
  const FALSE_POSITIVE = 1, FALSE_NEGATIVE = 2, CONFUSED = 4, RIGHT = 8;
  const MISTAKE = FALSE_POSITIVE | FALSE_NEGATIVE | CONFUSED;
  const needNegative = [
    { value: "false-positives", title: "False positives", bits: FALSE_POSITIVE },
    { value: "false-negatives", title: "False negatives", bits: FALSE_NEGATIVE },
    { ...confused, bits: CONFUSED },
  ];
  const kinds = [
    { value: "mistakes", title: "Mistakes", bits: MISTAKE },
    ...(negative === null ? [] : needNegative),
    { value: "right", title: "Right", bits: RIGHT },
    { value: "all", title: "All", bits: MISTAKE | RIGHT },
  ];
  const kindOf = (is, said) => {
    if (is === said) return RIGHT;
    if (is === negative) return FALSE_POSITIVE;
    return said === negative ? FALSE_NEGATIVE : CONFUSED;
  };
  const kind = Uint8Array.from(gold, (is, row) => kindOf(is, predicted[row]));
  const verdict = (row) => {
    if (kind[row] === RIGHT) return "Right";
    if (negative === null) return "Mistake";
    return { 1: "False positive", 2: "False negative", 4: confused.title }[kind[row]];
  };

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
  const orders = {
    confident: Uint32Array.from(file).sort((a, b) => confidence[b] - confidence[a] || a - b),
    unsure: Uint32Array.from(file).sort((a, b) => confidence[a] - confidence[b] || a - b),
    file,
  };
  const sorts = [
    { value: "confident", title: "Most confident first" },
    { value: "unsure", title: "Least confident first" },
    { value: "file", title: "As in the file" },
  ];

  // An id may occur twice in a file: each row has a key of its own.
  const rowOf = new Map();
  const keys = rows.id.map((id, row) => {
    let key = String(id);
    while (rowOf.has(key)) key += "'";
    rowOf.set(key, row);
    return key;
  });

  const each = (read) => Object.fromEntries(facets.map((facet) => [facet.name, read(facet)]));
  const columns = { gold, predicted, ...each(({ column }) => Uint16Array.from(column(data))) };
  const names = { gold: labels, predicted: labels, ...each(({ values }) => values(data)) };
  const FACETS = Object.keys(columns);

  // Counts a row for each choice that would show it, all other filters as they are.
  const countRow = (counts, failed, row) => {
    kinds.forEach(({ bits }, at) => {
      if (bits & kind[row] && !(failed & ~1)) counts.kind[at] += 1;
    });
    FACETS.forEach((name, at) => {
      if (!(failed & ~(2 << at))) counts[name][columns[name][row]] += 1;
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
        if (wanted[at] !== null && columns[FACETS[at]][row] !== wanted[at]) failed |= 2 << at;
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
    count, labels, negative, groups, names, kinds, sorts, keys, rowOf, gold, predicted, confidence,
    id: rows.id, sentence: rows.sentence, spans, facets,
    probabilities: rows.probabilities, folded, terms, word, verdict, select,
    placeOf: (span, row) => rows[span][row],
    valueOf: (facet, row) => names[facet][columns[facet][row]],
    isRight: (row) => kind[row] === RIGHT,
  };
})();
