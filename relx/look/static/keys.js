// What the keys do, and links to the parts of the page.
(() => {
  "use strict";
  const { browser, filters, view } = window.relxReport;
  const box = document.getElementById("list"), search = document.getElementById("filter-q");
  const help = document.getElementById("keys");

  const move = (by) => {
    if (!browser.covers()) {
      browser.scrollTo();
      browser.focus();
    }
    browser.step(by);
  };
  const find = () => {
    browser.scrollTo();
    search.focus({ preventScroll: true });
    search.select();
  };
  const leave = () => {
    if (view.current.row !== null || view.current.absent !== null) browser.close();
    else if (view.isFiltered(view.current)) filters.clear();
  };
  const empty = () => {
    if (search.value === "") return browser.focus();
    search.value = "";
    return filters.filter({ q: "" });
  };
  const open = () => { if (browser.list.cursor >= 0) browser.open(browser.list.cursor); };
  const page = (by) => browser.step(by * browser.list.seen);
  const end = (by) => browser.step(by * browser.hits.length);

  const ANYWHERE = {
    "/": find, "?": () => help.showModal(), j: () => move(1), k: () => move(-1), Escape: leave,
  };
  const IN_SEARCH = { Escape: empty, Enter: browser.focus, ArrowDown: browser.focus };
  const IN_LIST = {
    ArrowDown: () => browser.step(1), ArrowUp: () => browser.step(-1),
    PageDown: () => page(1), PageUp: () => page(-1),
    Home: () => end(-1), End: () => end(1), Enter: open, " ": open,
  };
  // A Korean keyboard gives other letters for the same keys.
  const LATIN = { KeyJ: "j", KeyK: "k" };
  const keyOf = ({ key, code }) => (/^[a-z]$/i.test(key) ? key : LATIN[code] ?? key);

  const actionOf = (event) => {
    const key = keyOf(event), { target } = event;
    if (target === search) return IN_SEARCH[event.key];
    const typing = target.matches("select, textarea, input:not([type=radio])");
    if (typing) return key === "Escape" ? browser.focus : undefined;
    return (target === box ? IN_LIST[key] : undefined) ?? ANYWHERE[key];
  };
  document.addEventListener("keydown", (event) => {
    const held = event.ctrlKey || event.metaKey || event.altKey;
    if (held || help.open || event.isComposing || event.defaultPrevented) return;
    const action = actionOf(event);
    if (!action) return;
    event.preventDefault();
    action();
  });
  document.getElementById("help").addEventListener("click", () => help.showModal());

  // A link to a part of the page must not take the place of the view in the address.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (!link || link.hash.includes("=")) return;
    event.preventDefault();
    const part = document.querySelector(link.hash);
    part.scrollIntoView();
    if (!part.hasAttribute("tabindex")) part.tabIndex = -1;
    part.focus({ preventScroll: true });
  });
})();
