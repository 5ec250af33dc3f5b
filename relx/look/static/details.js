// All that is known of one row.
(() => {
  "use strict";
  const report = window.relxReport;
  const { element, button, rows, view } = report;
  const FIRST = 10; // labels whose probability is shown at once
  const OTHERS = 20; // rows with the same sentence that are named

  const label = (index) => rows.labels[index];
  const section = (title, ...children) => (
    element("section", {}, element("h4", {}, title), ...children));
  const fact = (title, attributes, ...children) => (
    element("div", attributes, element("dt", {}, title), element("dd", {}, ...children)));

  // -- probabilities -----------------------------------------------------------------------

  const cutOf = (index) => (rows.cutoffs === null ? null : rows.cutoffs[index]);
  const shareLine = (row, index) => {
    const share = rows.probabilities[row][index];
    const roles = report.labels.roles(row, index);
    const said = roles.map((role) => element("em", {}, role));
    const cut = cutOf(index);
    const style = `--share:${share / 10000}${cut === null ? "" : `;--cut:${Math.min(1, cut)}`}`;
    return element("li", { class: roles.join(" ") || null },
      element("span", { class: "label" }, label(index), ...said),
      element("span", { class: "bar", style, "aria-hidden": "true" }),
      element("span", { class: "percent" }, report.percent(share, 2)),
      ...(cut === null ? [] : [element("span", { class: "cut" }, `cut at ${report.percent(10000 * cut, 2)}`)]));
  };

  const sharesOf = (row) => {
    const shares = rows.probabilities[row];
    const line = (index) => shareLine(row, index);
    const order = [...shares.keys()].sort((a, b) => shares[b] - shares[a] || a - b);
    const list = element("ol", { class: "shares" }, ...order.slice(0, FIRST).map(line));
    const rest = order.slice(FIRST);
    if (!rest.length) return [list];
    // What is gold is always seen, however improbable it was.
    const lone = rest.filter((index) => rows.listOf("gold", row).includes(index)).map(line);
    list.append(...lone);
    const more = button(`Show all ${rows.labels.length}`, () => {
      lone.forEach((made) => made.remove());
      list.append(...rest.map(line));
      more.remove();
      list.tabIndex = -1;
      list.focus({ preventScroll: true });
    }, { class: "quiet", id: "all-shares" });
    return [list, more];
  };

  // -- what the row is ---------------------------------------------------------------------

  const pair = (row) => element("dl", { class: `pair ${rows.isRight(row) ? "right" : "wrong"}` },
    fact("Gold", { class: "gold" }, ...report.labels.gold(row)),
    fact("Predicted", { class: "predicted" }, ...report.labels.predicted(row)),
    ...report.labels.facts(row).map(([title, value]) => fact(title, { class: "fact" }, value)));

  const spanFact = ({ name, title, none }, row) => {
    if (rows.placeOf(name, row) === null) return fact(title, {}, none);
    const classes = `${name} ${name}-start ${name}-end`;
    const type = name in rows.names ? rows.valueOf(name, row) : "";
    return fact(title, {}, element("mark", { class: classes, dir: "auto" }, rows.word(name, row)),
      ...(type ? [element("span", { class: "type" }, type)] : []));
  };

  // The type of a span is shown with the span.
  const spanNames = new Set(rows.spans.map(({ name }) => name));
  const others = rows.facets.filter(({ name }) => !spanNames.has(name));
  const factsOf = (row) => {
    const told = others.filter(({ name }) => rows.valueOf(name, row));
    return element("dl", { class: "facts" },
      ...rows.spans.map((span) => spanFact(span, row)),
      ...told.map(({ name, title }) => fact(title, {}, rows.valueOf(name, row))));
  };

  // -- rows like it ------------------------------------------------------------------------

  // Several rows may have the same sentence, with other spans.
  let rowsOf = null;
  const siblings = (row) => {
    if (rowsOf === null) {
      rowsOf = new Map(rows.sentence.map((sentence) => [sentence, []]));
      rows.sentence.forEach((sentence, at) => rowsOf.get(sentence).push(at));
    }
    return rowsOf.get(rows.sentence[row]).filter((other) => other !== row);
  };
  const inWords = (row) => {
    const words = rows.spans.map(({ name, none }) => rows.word(name, row) || none).join(" – ");
    return `${words}: ${report.labels.inWords(row)}`;
  };
  const othersOf = (row, open) => {
    const items = siblings(row).slice(0, OTHERS).map((other) => element("li", {},
      button(inWords(other), () => open(other), { class: "quiet", dir: "auto" })));
    if (!items.length) return [];
    const list = element("ul", { class: "plain" }, ...items);
    return [section("Other rows with this sentence", list)];
  };

  const alike = (row, filter) => report.labels.alike(row).map(({ changes, count, what }, at) => {
    const text = count === 1 ? `No other row ${what}` : `All ${report.number(count)} rows ${what}`;
    return button(text, () => filter({ ...view.CLEAR, kind: "all", ...changes }),
      { class: "quiet", disabled: count === 1, id: at ? null : "alike" });
  });

  const linkTo = (row) => {
    const href = view.link(rows.isRight(row) ? { kind: "all", row } : { row });
    const title = "Opens this row alone, without the filters";
    const link = element("a", { href, id: "link", title }, "Link to this row");
    const copied = () => { copy.textContent = "Copied"; };
    const refused = () => { copy.textContent = "Not allowed here: copy the link itself"; };
    const copy = button("Copy", () => {
      navigator.clipboard.writeText(link.href).then(copied, refused);
    }, { class: "quiet", title: "Copy the link" });
    return navigator.clipboard ? [link, copy] : [link];
  };

  // -- the pane ----------------------------------------------------------------------------

  // `close()`, `step(by)`, `open(row)` and `filter(changes)` are what its buttons do.
  report.details = (pane, { close, step, open, filter }) => {
    const closing = (text) => button(text, close, {
      class: "close", id: "close", "aria-label": "Close the row", title: "Close (Esc)",
    });
    const head = (row, place, total) => {
      const there = `${report.number(place + 1)} of ${report.number(total)}`;
      const reachable = (by) => place >= 0 && place + by >= 0 && place + by < total;
      const move = (by, sign, name) => button(sign, () => step(by), {
        "aria-label": name, title: name, disabled: !reachable(by),
      });
      const moves = [move(-1, "↑", "Previous row"), move(1, "↓", "Next row")];
      return element("header", {}, closing(""), element("h3", {}, `Row ${rows.id[row]}`),
        element("span", { class: "place" }, place < 0 ? "not among the rows shown" : there),
        element("span", { class: "steps" }, ...moves));
    };

    const fill = (...children) => {
      pane.replaceChildren(...children);
      pane.scrollTop = 0;
    };
    const row = (at, place, total, query) => {
      const verdict = { class: `verdict ${rows.isRight(at) ? "right" : "wrong"}` };
      const sentence = report.sentence.whole(at, query);
      fill(head(at, place, total),
        element("p", verdict, rows.verdict(at)),
        element("p", { class: "sentence", dir: "auto", id: "sentence" }, ...sentence),
        pair(at), factsOf(at), section("Probabilities", ...sharesOf(at)), ...othersOf(at, open),
        element("p", { class: "links" }, ...linkTo(at), ...alike(at, filter)));
    };
    const absent = (id) => fill(element("header", {}, closing("")),
      element("p", { class: "hint" }, `There is no row ${id} in this report.`));
    const none = (hits) => {
      const hint = hits.length ? "Choose a row to see all of it." : "";
      const list = report.mixUps(hits, filter);
      fill(element("p", { class: "hint" }, hint),
        ...(list ? [section(rows.pair.mixed, list)] : []));
    };
    return { row, none, absent };
  };
})();
