// The controls that say which rows are listed, and the chips that say what they say.
(() => {
  "use strict";
  const report = window.relxReport;
  const { element, button, rows, view } = report;
  const get = (id) => document.getElementById(id);
  const box = get("list"), sort = get("filter-sort"), more = get("more");
  const FACETS = Object.keys(rows.names);
  const TITLES = {
    ...rows.titles, min: "Confidence from", max: "Confidence to", q: "Search",
  };

  // A row that the filters hide is closed, the others stay open.
  const filter = (changes, how) => {
    const next = { ...view.current, ...changes };
    const hidden = next.row !== null && rows.select(next).places[next.row] < 0;
    view.set(hidden ? { ...changes, row: null } : changes, how);
  };
  // To the rows, or where there are none, to what may find some.
  const focus = () => (box.hidden ? get("filter-q") : box).focus({ preventScroll: true });
  const clear = () => { filter({ ...view.CLEAR }); focus(); };

  // -- the controls ------------------------------------------------------------------------

  const kindCounts = rows.kinds.map(() => element("span", { class: "count" }));
  const kindTitles = rows.kinds.map(({ value, title }, at) => (
    { value, title: element("span", {}, title, " ", kindCounts[at]) }));
  report.choice(get("kinds"), "kind", kindTitles, (kind) => filter({ kind }));

  const nameOf = (facet, at) => rows.names[facet][at] || "(none)";
  const options = Object.fromEntries(FACETS.map((facet) => (
    [facet, rows.names[facet].map((_, at) => element("option", { value: at }))])));

  const fillSelect = (facet) => {
    const select = get(`filter-${facet}`);
    select.append(element("option", { value: "" }, "All"));
    const grouped = rows.names[facet] === rows.labels && rows.groups.length > 1;
    if (!grouped) select.append(...options[facet]);
    else for (const { name, labels } of rows.groups) {
      const parts = labels.map((at) => options[facet][at]);
      select.append(element("optgroup", { label: name }, ...parts));
    }
    const chosen = () => (select.value === "" ? null : Number(select.value));
    select.addEventListener("change", () => filter({ [facet]: chosen() }));
    // Where there is nothing to choose between, there is no choice.
    if (rows.names[facet].length < 2) select.closest(".field").hidden = true;
  };
  FACETS.forEach(fillSelect);

  sort.append(...rows.sorts.map(({ value, title }) => element("option", { value }, title)));
  sort.addEventListener("change", () => filter({ sort: sort.value }));

  const typed = (name, read) => {
    const input = get(`filter-${name}`);
    let soon = 0;
    const now = () => {
      clearTimeout(soon);
      filter({ [name]: read(input.value) }, { typing: name });
    };
    input.addEventListener("input", () => { clearTimeout(soon); soon = setTimeout(now, 90); });
    // What is typed next is another step of Back.
    input.addEventListener("change", () => { now(); view.note({ typing: null }); });
  };
  const share = (text) => (text === "" ? null : Math.max(0, Math.min(100, Number(text))));
  typed("q", (text) => text);
  typed("min", share);
  typed("max", share);
  get("filters").addEventListener("submit", (event) => event.preventDefault());

  more.addEventListener("click", () => {
    more.setAttribute("aria-expanded", get("fields").classList.toggle("shown"));
  });

  // -- what they show ----------------------------------------------------------------------

  const showControls = (current, counts, cause) => {
    report.check(get("kinds"), current.kind);
    kindCounts.forEach((made, at) => { made.textContent = report.number(counts.kind[at]); });
    for (const facet of FACETS) {
      options[facet].forEach((made, at) => {
        made.textContent = `${nameOf(facet, at)}  (${report.number(counts[facet][at])})`;
      });
      get(`filter-${facet}`).value = current[facet] ?? "";
    }
    sort.value = current.sort;
    for (const name of ["q", "min", "max"]) {
      const input = get(`filter-${name}`);
      // Letters that are being typed are left alone.
      if (cause !== "set" || document.activeElement !== input) input.value = current[name] ?? "";
    }
  };

  const chipText = (current, name) => {
    if (name in rows.names) return `${TITLES[name]} ${nameOf(name, current[name])}`;
    return `${TITLES[name]} ${name === "q" ? `“${current.q}”` : `${current[name]} %`}`;
  };
  const chip = (text, name) => button(text, () => {
    filter({ [name]: view.CLEAR[name] });
    focus();
  }, { class: "chip", "aria-label": `Remove the filter: ${text}`, "data-chip": name });

  const showChips = (current) => {
    const active = view.FILTERS.filter((name) => current[name] !== view.CLEAR[name]);
    const chips = active.map((name) => chip(chipText(current, name), name));
    if (chips.length) chips.push(button("Clear all", clear, { class: "quiet", id: "clear" }));
    get("chips").replaceChildren(...chips.map((made) => element("li", {}, made)));
    more.textContent = active.length ? `Filters (${active.length})` : "Filters";
  };

  const showCount = (found) => {
    const all = rows.count === 1 ? "1 row" : `${report.number(rows.count)} rows`;
    const text = `${report.number(found)} of ${all}`;
    if (get("count").textContent !== text) get("count").textContent = text;
    get("download").disabled = !found;
  };

  const showEmpty = (current, found) => {
    const empty = get("empty");
    empty.hidden = found > 0;
    box.hidden = found === 0;
    if (found) return;
    const filtered = view.isFiltered(current);
    const { title } = rows.kinds.find(({ value }) => value === current.kind);
    const what = filtered ? "No row passes these filters." : `${title}: there are none.`;
    const all = button("Show all rows", () => { filter({ kind: "all" }); focus(); });
    const way = filtered ? button("Clear the filters", clear) : all;
    empty.replaceChildren(element("p", {}, what), way);
  };

  const show = (current, { hits, counts }, cause) => {
    showCount(hits.length);
    showEmpty(current, hits.length);
    showControls(current, counts, cause);
    showChips(current);
  };

  report.filters = { filter, clear, focus, show };
})();
