// What the page shows: it lives in the address, so that a link opens it and Back restores it.
(() => {
  "use strict";
  const report = window.relxReport;
  const { groups, names, kinds, sorts, keys, rowOf } = report.rows;
  const FACETS = Object.keys(names);

  const values = (options) => options.map(({ value }) => value);
  // The first of each is what a page without an address shows.
  const CHOICES = {
    kind: values(kinds),
    sort: values(sorts),
    cells: ["counts", "rows", "columns"],
    order: ["list", "frequency", ...(groups.length > 1 ? ["group"] : [])],
  };
  const NONE = {
    ...Object.fromEntries(FACETS.map((name) => [name, null])),
    min: null, max: null, q: "", row: null, absent: null, classes: "",
  };
  const DEFAULT = Object.freeze({
    ...NONE,
    ...Object.fromEntries(Object.entries(CHOICES).map(([name, all]) => [name, all[0]])),
  });
  const FILTERS = [...FACETS, "min", "max", "q"];
  const CLEAR = Object.fromEntries(FILTERS.map((name) => [name, NONE[name]]));

  const share = (text) => {
    const value = text === null || text.trim() === "" ? NaN : Number(text);
    return value >= 0 && value <= 100 ? value : null;
  };

  const read = (hash) => {
    const given = new URLSearchParams(hash.replace(/^#/, ""));
    const view = { ...DEFAULT };
    for (const [name, all] of Object.entries(CHOICES)) {
      if (all.includes(given.get(name))) view[name] = given.get(name);
    }
    for (const [name, all] of Object.entries(names)) {
      const at = given.has(name) ? all.indexOf(given.get(name)) : -1;
      if (at >= 0) view[name] = at;
    }
    view.min = share(given.get("min"));
    view.max = share(given.get("max"));
    view.q = given.get("q") ?? "";
    view.classes = given.get("classes") ?? "";
    if (given.has("row")) view.row = rowOf.get(given.get("row")) ?? null;
    if (given.has("row") && view.row === null) view.absent = given.get("row");
    return view;
  };

  const write = (view) => {
    const said = new URLSearchParams();
    for (const name of Object.keys(CHOICES)) {
      if (view[name] !== DEFAULT[name]) said.set(name, view[name]);
    }
    for (const [name, all] of Object.entries(names)) {
      if (view[name] !== null) said.set(name, all[view[name]]);
    }
    for (const name of ["min", "max"]) if (view[name] !== null) said.set(name, view[name]);
    for (const name of ["q", "classes"]) if (view[name] !== "") said.set(name, view[name]);
    if (view.row !== null) said.set("row", keys[view.row]);
    return `#${said}`;
  };

  let current = read(location.hash);
  let address = write(current);
  const listeners = [];
  const tell = (previous, cause) => {
    listeners.forEach((listener) => listener(current, previous, cause));
  };

  // A page inside another one may not be allowed an address; it works without.
  const enter = (method, state, hash) => {
    try { history[method](state, "", hash); } catch { /* Back does not work there */ }
  };
  const note = (extra) => enter("replaceState", { ...history.state, ...extra }, location.href);

  // `typing` names a field: what is typed into it is one step of Back, however long it takes.
  const set = (changes, { typing = null, replace = false } = {}) => {
    const previous = current;
    const next = { ...current, absent: null, ...changes };
    const hash = write(next);
    if (hash === address && next.absent === current.absent) return;
    const opened = next.row !== null && previous.row === null;
    current = next;
    address = hash;
    if (replace || (typing !== null && history.state?.typing === typing)) {
      enter("replaceState", { ...history.state, typing }, hash);
    } else {
      note(report.view.place());
      enter("pushState", { typing, opened }, hash);
    }
    tell(previous, "set");
  };

  const restore = () => {
    // A link to a part of the page is no view.
    if (location.hash.length > 1 && !location.hash.includes("=")) return;
    const previous = current;
    current = read(location.hash);
    address = write(current);
    tell(previous, "history");
  };
  window.addEventListener("popstate", restore);

  report.view = {
    CLEAR, FILTERS,
    get current() { return current; },
    place: () => ({}), // what else Back restores: the browser says it
    set, note,
    link: (view) => write({ ...DEFAULT, ...view }),
    isFiltered: (view) => FILTERS.some((name) => view[name] !== NONE[name]),
    onChange: (listener) => { listeners.push(listener); },
    start: () => tell(null, "load"),
  };
})();
