// A sentence with its spans marked, which may nest or overlap.
(() => {
  "use strict";
  const report = window.relxReport;
  const { element } = report;
  const { rows } = report;
  const SHORT = 96; // characters that fit the two lines of a row in the list

  // A span that is a facet too, by its type, has the type in its tag.
  const tagOf = (name, row) => (name in rows.names ? `${name} ${rows.valueOf(name, row)}` : name);
  const spansOf = (row) => rows.spans.flatMap(({ name }) => {
    if (rows.placeOf(name, row) === null) return [];
    const [start, end] = rows.placeOf(name, row);
    return [{ start, end, role: name, tag: tagOf(name, row) }];
  });

  // Where the search terms are in a sentence; nowhere if folding moved the letters.
  const found = (sentence, query) => {
    const text = rows.folded(sentence);
    if (text.length !== sentence.length) return [];
    return rows.terms(query).flatMap((term) => {
      const spans = [];
      for (let at = text.indexOf(term); at >= 0; at = text.indexOf(term, at + term.length)) {
        spans.push({ start: at, end: at + term.length, role: "found" });
      }
      return spans;
    });
  };

  // Cuts at each start and end, so that a piece is wholly inside or outside every span.
  const marked = (sentence, spans, from, to, tags) => {
    const edges = spans.flatMap(({ start, end }) => [start, end]);
    const inside = edges.filter((at) => at > from && at < to);
    const cuts = [...new Set([from, ...inside, to])].sort((a, b) => a - b);
    return cuts.slice(1).map((end, at) => {
      const start = cuts[at];
      const over = spans.filter((span) => span.start < end && span.end > start);
      const text = sentence.slice(start, end);
      if (!over.length) return document.createTextNode(text);
      const classes = over.map(({ role }) => role);
      over.forEach((span) => {
        if (span.start === start) classes.push(`${span.role}-start`);
        if (span.end === end) classes.push(`${span.role}-end`);
      });
      const ends = over.filter((span) => span.tag && span.end === end).map(({ tag }) => tag);
      const tag = tags && ends.length ? ends.join(" · ") : null;
      return element("mark", { class: [...new Set(classes)].join(" "), "data-tag": tag }, text);
    });
  };

  // A character of two code units is not cut in half.
  const between = (sentence, at) => {
    const code = sentence.charCodeAt(at);
    return at > 0 && code >= 0xdc00 && code <= 0xdfff ? at - 1 : at;
  };

  // The parts of a long sentence around its spans.
  const windows = (sentence, spans) => {
    if (sentence.length <= SHORT) return [[0, sentence.length]];
    if (!spans.length) return [[0, between(sentence, SHORT)]];
    const room = SHORT - spans.reduce((sum, { start, end }) => sum + end - start, 0);
    const around = Math.max(8, Math.floor(room / 4));
    const near = spans
      .map(({ start, end }) => [start - around, end + around])
      .map(([start, end]) => [Math.max(0, start), Math.min(sentence.length, end)])
      .sort((a, b) => a[0] - b[0]);
    const parts = [near[0]];
    for (const [start, end] of near.slice(1)) {
      const last = parts.at(-1);
      if (start <= last[1] + 4) last[1] = Math.max(last[1], end);
      else parts.push([start, end]);
    }
    return parts.map((part) => part.map((at) => between(sentence, at)));
  };

  const whole = (row, query) => {
    const sentence = rows.sentence[row];
    const spans = [...spansOf(row), ...found(sentence, query)];
    return marked(sentence, spans, 0, sentence.length, true);
  };

  const excerpt = (row, query) => {
    const sentence = rows.sentence[row];
    const named = spansOf(row);
    const spans = [...named, ...found(sentence, query)];
    const parts = windows(sentence, named);
    const pieces = parts.flatMap(([from, to], at) => [
      ...(from > 0 ? [at ? " … " : "… "] : []), ...marked(sentence, spans, from, to, false),
    ]);
    return parts.at(-1)[1] < sentence.length ? [...pieces, " …"] : pieces;
  };

  report.sentence = { whole, excerpt };
})();
