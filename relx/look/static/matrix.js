// What mistakes are between: gold labels down and predicted ones across, or missing and surplus
// ones where a row may have several; a cell shows its rows.
(() => {
  "use strict";
  const report = window.relxReport;
  const { element, rows, view } = report;
  const { down, across, shared, corner, caption, lineTitle, columnTitle } = rows.pair;
  const names = rows.names[down].map((name) => name || "(none)");
  const size = names.length;
  const box = document.getElementById("matrix");
  const showing = document.getElementById("cells"), ordering = document.getElementById("order");
  const SHOWS = [
    { value: "counts", title: "Counts" },
    { value: "rows", title: `% of ${down}` },
    { value: "columns", title: `% of ${across}` },
  ];
  const ORDERS = [
    { value: "list", title: "Label list" },
    { value: "frequency", title: "Frequency" },
    ...(rows.groups.length > 1 ? [{ value: "group", title: "Group" }] : []),
  ];

  const counts = new Uint32Array(size * size);
  const golds = new Uint32Array(size), saids = new Uint32Array(size); // the sums of both sides
  let total = 0;
  for (let row = 0; row < rows.count; row += 1) {
    if (!shared && rows.isRight(row)) continue; // nothing is missing or surplus
    const lines = rows.valuesOf(down, row), columns = rows.valuesOf(across, row);
    for (const line of lines) for (const column of columns) counts[line * size + column] += 1;
    for (const line of lines) golds[line] += 1;
    for (const column of columns) saids[column] += 1;
    total += 1;
  }

  const places = [...Array(size).keys()];
  const orders = {
    list: places,
    frequency: [...places].sort((a, b) => golds[b] - golds[a] || a - b),
    group: rows.groups.flatMap((group) => group.labels),
  };
  const groupStarts = new Set(rows.groups.slice(1).map((group) => group.labels[0]));

  const percent = (share) => (share > 0 && share < 0.005 ? "<1" : String(Math.round(share * 100)));
  const isRight = (gold, said) => shared && gold === said;
  // Mistakes are few beside what is right: each has a scale of its own.
  const highest = { right: 1, wrong: 1 };
  counts.forEach((count, at) => {
    const which = isRight(Math.floor(at / size), at % size) ? "right" : "wrong";
    highest[which] = Math.max(highest[which], count);
  });
  const shown = (gold, said, cells) => {
    const count = counts[gold * size + said], right = isRight(gold, said);
    if (cells === "counts") {
      const top = highest[right ? "right" : "wrong"];
      return { text: report.number(count), heat: Math.sqrt(count / top) };
    }
    const share = count / (cells === "rows" ? golds[gold] : saids[said]);
    return { text: percent(share), heat: right ? share : Math.sqrt(share) };
  };

  // A button that shows rows; the arrow keys reach it.
  const toShow = (changes, name, ...children) => element("button", {
    type: "button", tabindex: -1, title: name, "data-view": JSON.stringify(changes),
  }, ...children);

  const nameOf = (gold, said) => {
    const count = counts[gold * size + said];
    return `${down} ${names[gold]}, ${across} ${names[said]}: ` +
      `${report.number(count)} ${count === 1 ? "row" : "rows"}, ` +
      `${percent(count / golds[gold])} % of ${down}, ${percent(count / saids[said])} % of ${across}`;
  };
  const cell = (gold, said, cells) => {
    const right = isRight(gold, said);
    const made = element("td", { class: right ? "diagonal" : null });
    if (!counts[gold * size + said]) return made;
    const { text, heat } = shown(gold, said, cells);
    const pressed = toShow({ [down]: gold, [across]: said }, nameOf(gold, said), text);
    pressed.setAttribute("aria-label", pressed.title);
    pressed.dataset.cell = `${gold}-${said}`;
    made.classList.add(right ? "right" : "wrong");
    made.style.setProperty("--heat", heat.toFixed(3));
    made.append(pressed);
    return made;
  };

  const totalOf = (count) => element("td", { class: "total" }, report.number(count));
  const head = (said, start) => {
    const name = names[said];
    const pressed = toShow({ [across]: said }, columnTitle(name), element("span", {}, name));
    return element("th", { scope: "col", class: start }, pressed);
  };
  const line = (gold, order, start, cells) => {
    const name = names[gold];
    const pressed = toShow({ [down]: gold }, lineTitle(name), name);
    return element("tr", { class: start }, element("th", { scope: "row" }, pressed),
      ...order.map((said) => cell(gold, said, cells)), totalOf(golds[gold]));
  };

  const build = ({ cells, order: name }) => {
    const order = orders[name];
    const startOf = (at) => (name === "group" && groupStarts.has(at) ? "start" : null);
    const heads = order.map((said) => head(said, startOf(said)));
    const lines = order.map((gold) => line(gold, order, startOf(gold), cells));
    const sums = [...order.map((said) => totalOf(saids[said])), totalOf(total)];
    const made = element("table", { class: "confusion" },
      element("caption", { class: "hidden" }, caption),
      element("thead", {}, element("tr", {},
        element("td", { class: "corner" }, corner), ...heads,
        element("th", { scope: "col", class: "total" }, "All"))),
      element("tbody", {}, ...lines),
      element("tfoot", {}, element("tr", {}, element("th", { scope: "row" }, "All"), ...sums)));
    made.querySelector("button").tabIndex = 0; // one stop of the Tab key; arrows do the rest
    return made;
  };

  const built = new Map();
  let table = null;
  const show = (current) => {
    const key = `${current.cells} ${current.order}`;
    if (!built.has(key)) built.set(key, build(current));
    if (built.get(key) !== table) {
      table = built.get(key);
      box.replaceChildren(table);
    }
    report.check(showing, current.cells);
    report.check(ordering, current.order);
    table.querySelector("[aria-current]")?.removeAttribute("aria-current");
    const chosen = table.querySelector(`[data-cell="${current[down]}-${current[across]}"]`);
    chosen?.setAttribute("aria-current", "true");
  };

  report.choice(showing, "cells", SHOWS, (cells) => view.set({ cells }));
  report.choice(ordering, "order", ORDERS, (order) => view.set({ order }));
  view.onChange(show);

  box.addEventListener("click", (event) => {
    const pressed = event.target.closest("button");
    if (pressed) report.browser.show(JSON.parse(pressed.dataset.view));
  });

  // The arrow keys go to the next thing that can be pressed in their direction.
  const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  const next = (from, [down, across]) => {
    let line = from.closest("tr").rowIndex, column = from.closest("td, th").cellIndex;
    for (;;) {
      line += down;
      column += across;
      const there = table.rows[line]?.cells[column];
      if (!there) return null;
      const found = there.querySelector("button");
      if (found) return found;
    }
  };
  const focusOn = (made) => {
    table.querySelectorAll("button[tabindex='0']").forEach((other) => { other.tabIndex = -1; });
    made.tabIndex = 0;
    made.focus();
  };
  box.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS) || event.target.tagName !== "BUTTON") return;
    event.preventDefault();
    const found = next(event.target, STEPS[event.key]);
    if (found) focusOn(found);
  });

  // The names of a cell's row and column are highlighted while it is pointed at.
  let lit = [];
  const light = (event) => {
    lit.forEach((made) => made.classList.remove("lit"));
    const at = event.target.closest("td, th");
    const line = at?.closest("tbody tr");
    lit = line ? [line.cells[0], table.rows[0].cells[at.cellIndex]] : [];
    lit.forEach((made) => made.classList.add("lit"));
  };
  box.addEventListener("pointerover", light);
  box.addEventListener("focusin", light);
  box.addEventListener("pointerleave", light);
})();
