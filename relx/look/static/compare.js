// The rows whose label changed: filters, search, pages, and a link to each row.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("compare-data").textContent);
  const { rows, labels, names, kinds, many = false } = data; // `many`: a row has a list of labels
  const SIZE = 25;
  const KIND_WORDS = { fixed: "fixed", broken: "broken", otherwise: "wrong before and after" };
  const at = (id) => document.getElementById(id);
  const fields = { with: at("with"), kind: at("kind"), gold: at("gold"), q: at("search") };
  if (many) fields.label = at("label"); // the label whose answer changed
  const list = at("list");

  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  };
  const folded = (text) => text.normalize("NFC").toLowerCase();
  const searched = rows.sentence.map((sentence, row) => folded(`${sentence}\n${rows.id[row]}`));

  // The state is the link: #with=0&kind=fixed&gold=3&q=…&page=2, or &row=ID for one row alone.
  const DEFAULTS = { with: "0", kind: "", gold: "", label: "", q: "", page: "1", row: "" };
  const read = () => {
    const given = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    return Object.fromEntries(Object.entries(DEFAULTS).map(([key, value]) => [key, given.get(key) ?? value]));
  };
  const hash = (state) => {
    const changed = Object.entries(state).filter(([key, value]) => value !== DEFAULTS[key]);
    return changed.length ? `#${new URLSearchParams(changed)}` : "#rows";
  };
  let state = read();

  const NONE = labels.length; // stands for no label
  const listOf = (value) => (many ? value : [value]);
  const orNone = (list) => (list.length ? list : [NONE]);
  const hasGold = (row, gold) => gold < 0 || orNone(listOf(rows.gold[row])).includes(gold);
  // Whether a label is given by one side alone: the first, and the one that is looked at.
  const moved = (row, label) => label < 0
    || rows.predicted[0][row].includes(label) !== rows.predicted[Number(state.with) + 1]?.[row].includes(label);

  const hits = () => {
    const own = rows.kind[Number(state.with)] ?? rows.kind[0];
    const label = state.label === "" || !many ? -1 : Number(state.label);
    const kind = kinds.indexOf(state.kind), gold = state.gold === "" ? -1 : Number(state.gold);
    const terms = folded(state.q).split(/\s+/).filter(Boolean);
    return rows.id.flatMap((id, row) => {
      if (state.row !== "") return id === state.row ? [row] : [];
      const fits = own[row] >= 0 && (kind < 0 || own[row] === kind) && hasGold(row, gold) && moved(row, label)
        && terms.every((term) => searched[row].includes(term));
      return fits ? [row] : [];
    });
  };

  // Cuts at each border, so that a piece is wholly inside or outside each span.
  const marked = (row) => {
    const sentence = rows.sentence[row];
    const spans = window.relxTask.spans
      .filter(({ name }) => rows[name][row] !== null)
      .map(({ name }) => [name, ...rows[name][row]]);
    const cuts = [...new Set([0, sentence.length, ...spans.flatMap(([, start, end]) => [start, end])])];
    cuts.sort((a, b) => a - b);
    return cuts.slice(1).map((end, piece) => {
      const text = sentence.slice(cuts[piece], end);
      const over = spans.filter(([, start, stop]) => start < end && stop > cuts[piece]);
      if (!over.length) return text;
      const tags = over.filter(([, , stop]) => stop === end).map(([role, , , type = ""]) => `${role} ${type}`.trim());
      return element("mark", { class: over.map(([role]) => role).join(" "), "data-tag": tags.join(" · ") || null }, text);
    });
  };

  const shareOf = (value) => `${(value / 100).toFixed(1)} %`;
  const oneAnswer = (side, row) => {
    const predicted = rows.predicted[side][row], right = predicted === rows.gold[row];
    const share = rows.probability[side] === null ? "" : ` (${shareOf(rows.probability[side][row])})`;
    return element("dd", { class: right ? "right" : "wrong" }, `${right ? "✓" : "✗"} ${labels[predicted]}${share}`);
  };
  const anyAnswer = (side, row) => {
    const { chip, none, verdicts } = window.relxChips;
    const found = verdicts(rows.gold[row], rows.predicted[side][row]);
    const share = (label) => (rows.probability[side] === null ? "" : ` ${shareOf(rows.probability[side][row][label])}`);
    const chips = found.flatMap((one) => [chip(labels[one.at], one.is, share(one.at)), " "]);
    return element("dd", {}, ...(chips.length ? chips : [none("right")]));
  };
  const answer = many ? anyAnswer : oneAnswer;
  const goldText = (row) => listOf(rows.gold[row]).map((label) => labels[label]).join(", ") || "no label";

  // What is asked about where a row has no such words.
  const absent = (row) => window.relxTask.spans
    .filter(({ name }) => rows[name][row] === null)
    .map(({ title, none }) => element("span", {}, `${title}: ${none}`));

  const item = (row) => {
    const kind = kinds[rows.kind[Number(state.with)]?.[row]] ?? "";
    const link = element("a", { href: hash({ ...DEFAULTS, with: state.with, row: rows.id[row] }) }, `id ${rows.id[row]}`);
    const answers = names.flatMap((name, side) => [element("dt", { title: name }, name), answer(side, row)]);
    return element("li", { class: kind, "data-id": rows.id[row] },
      element("div", { class: "head" }, link, element("span", {}, KIND_WORDS[kind] ?? "not changed here"), ...absent(row)),
      element("p", { class: "sentence" }, ...marked(row)),
      element("dl", { class: "labels" }, element("dt", {}, "gold"), element("dd", {}, goldText(row)), ...answers));
  };

  const say = (found, pages) => {
    const many = `${found.toLocaleString("en-US")} ${found === 1 ? "row" : "rows"}`;
    at("count").replaceChildren(many, ...(state.row === "" ? [] : [" – ", element("a", { href: "#rows" }, "show all")]));
    at("page").textContent = pages > 1 ? `page ${state.page} of ${pages}` : "";
  };

  const draw = () => {
    const found = hits(), pages = Math.max(1, Math.ceil(found.length / SIZE));
    const page = Math.min(pages, Math.max(1, Math.floor(Number(state.page)) || 1));
    state.page = String(page);
    for (const [key, field] of Object.entries(fields)) if (field.value !== state[key]) field.value = state[key];
    list.replaceChildren(...found.slice((page - 1) * SIZE, page * SIZE).map(item));
    at("previous").disabled = page === 1;
    at("next").disabled = page === pages;
    at("previous").parentElement.hidden = pages === 1;
    say(found.length, pages);
  };

  // Typing replaces the entry of the history, everything else adds one.
  const set = (changes, replace = false) => {
    state = { ...state, ...changes };
    history[replace ? "replaceState" : "pushState"](null, "", hash(state));
    draw();
  };
  for (const key of ["with", "kind", "gold", ...(many ? ["label"] : [])]) {
    fields[key].addEventListener("change", () => set({ [key]: fields[key].value, page: "1", row: "" }));
  }
  fields.q.addEventListener("input", () => set({ q: fields.q.value, page: "1", row: "" }, true));
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  const turn = (by) => {
    set({ page: String(Number(state.page) + by) });
    at("count").scrollIntoView({ block: "start" });
  };
  at("previous").addEventListener("click", () => turn(-1));
  at("next").addEventListener("click", () => turn(1));
  const restore = () => {
    // A link to a section of the page is no state of the rows.
    if (location.hash && location.hash !== "#rows" && !location.hash.includes("=")) return;
    state = read();
    draw();
    if (state.row !== "") at("count").scrollIntoView({ block: "start" });
  };
  window.addEventListener("popstate", restore);
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      fields.q.focus();
    }
    if (event.key === "Escape" && event.target === fields.q && state.q) set({ q: "", page: "1" }, true);
  });

  const option = (label) => element("option", { value: String(label) }, labels[label] ?? "no label");
  const present = [...new Set(rows.gold.flatMap((gold) => orNone(listOf(gold))))].sort((a, b) => a - b);
  fields.gold.append(...present.map(option));
  fields.label?.append(...labels.map((_, label) => option(label)));
  draw();
  if (location.hash.includes("=")) document.getElementById("rows").scrollIntoView();
})();
