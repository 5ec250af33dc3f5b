// What is looked at: it lives in the address, so that a link opens it and Back restores it.
(() => {
  "use strict";
  const page = window.relxAttention;
  const { data } = page;
  const byId = (id) => document.getElementById(id);
  const VIEWS = ["mean", "layer", "head", "rollout"];
  const FIRST = Object.freeze({ ...data.view, from: data.start, faint: false });

  const whole = (text, least, most, otherwise) => {
    const value = /^\d+$/.test(text ?? "") ? Number(text) : NaN;
    return value >= least && value <= most ? value : otherwise;
  };
  const flag = (text, otherwise) => (text === null ? otherwise : text === "1");

  const read = () => {
    const given = new URLSearchParams(location.hash.slice(1));
    const view = given.get("view");
    return {
      view: VIEWS.includes(view) ? view : FIRST.view,
      layer: whole(given.get("layer"), 1, data.layers, FIRST.layer),
      head: whole(given.get("head"), 1, data.heads, FIRST.head),
      from: whole(given.get("from"), 0, data.length - 1, FIRST.from),
      special: flag(given.get("special"), FIRST.special),
      faint: flag(given.get("faint"), FIRST.faint),
    };
  };

  const written = (state) => {
    const { view, layer, head, from, special, faint } = state;
    const parts = { view };
    if (view === "layer" || view === "head") parts.layer = layer;
    if (view === "head") parts.head = head;
    return `#${new URLSearchParams({ ...parts, from, special: special ? 1 : 0, faint: faint ? 1 : 0 })}`;
  };

  // A special token that is left out cannot be looked from.
  const possible = (state) => {
    if (state.special || !page.isSpecial(state.from)) return state;
    const [role] = page.roles;
    const words = role ? data[role][0] : data.texts.findIndex((_, token) => !page.isSpecial(token));
    return { ...state, from: page.isSpecial(FIRST.from) ? words : FIRST.from };
  };

  const drawControls = ({ view, layer, head, special, faint }) => {
    byId("view").value = view;
    byId("layer").value = layer;
    byId("head").value = head;
    byId("layer").disabled = view !== "layer" && view !== "head";
    byId("head").disabled = view !== "head";
    byId("without-special").checked = !special;
    byId("faint").checked = faint;
  };

  const draw = (state, repaint = false) => {
    const before = page.state;
    page.state = state;
    const shown = page.shown(state);
    drawControls(state);
    page.drawMap(state, shown);
    page.drawSentence(state, shown);
    page.markHead(state);
    if (repaint || !before || before.special !== state.special || before.faint !== state.faint) page.paintHeads(state);
  };

  page.go = (change) => {
    const next = possible({ ...page.state, ...change });
    if (written(next) === written(page.state)) return;
    history.pushState(null, "", written(next));
    draw(next);
  };

  // A link to a section is no state: what is shown stays.
  const restore = () => {
    if (location.hash.includes("=") || location.hash === "") draw(possible(read()));
  };

  const numbers = (select, count) => {
    for (let at = 1; at <= count; at += 1) select.append(page.element("option", { value: at }, String(at)));
  };
  numbers(byId("layer"), data.layers);
  numbers(byId("head"), data.heads);
  byId("view").addEventListener("change", ({ target }) => page.go({ view: target.value }));
  byId("layer").addEventListener("change", ({ target }) => page.go({ layer: Number(target.value) }));
  byId("head").addEventListener("change", ({ target }) => page.go({ head: Number(target.value) }));
  byId("without-special").addEventListener("change", ({ target }) => page.go({ special: !target.checked }));
  byId("faint").addEventListener("change", ({ target }) => page.go({ faint: target.checked }));
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("popstate", restore);

  // Canvases do not follow the theme by themselves.
  const recolor = () => draw(page.state, true);
  new MutationObserver(recolor).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolor);

  draw(possible(read()));
})();
