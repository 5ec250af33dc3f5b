// The row browser: the list of the rows that the filters let through, and the one that is chosen.
(() => {
  "use strict";
  const report = window.relxReport;
  const { element, rows, view, filters } = report;
  const get = (id) => document.getElementById(id);
  const browser = get("browser"), box = get("list"), pane = get("details");
  const narrow = window.matchMedia("(max-width: 56rem)");
  const SHOWN_BY = ["kind", "sort", ...view.FILTERS]; // what decides which rows are listed
  let selection = rows.select(view.current);

  const fill = (made, row) => {
    const confidence = element("span", { class: "percent" }, report.percent(rows.confidence[row]));
    const labels = element("span", { class: "labels" }, ...report.labels.brief(row));
    const text = report.sentence.excerpt(row, view.current.q);
    made.dataset.row = rows.keys[row];
    made.replaceChildren(element("div", { class: "said" }, labels, confidence),
      element("div", { class: "text", dir: "auto" }, ...text));
  };

  const { focus } = filters;
  const open = (place) => { focus(); view.set({ row: selection.hits[place] }); };
  const list = report.list(box, { fill, open, paused: () => view.note(view.place()) });
  view.place = () => ({ top: list.top, cursor: list.cursor });

  const step = (by) => {
    if (!selection.hits.length) return;
    const place = Math.max(0, Math.min(selection.hits.length - 1, list.cursor + by));
    list.select(place);
    if (view.current.row !== null) view.set({ row: selection.hits[place] }, { replace: true });
  };

  const isOpen = ({ row, absent }) => row !== null || absent !== null;
  const close = () => {
    if (narrow.matches && history.state?.opened) history.back();
    else view.set({ row: null, absent: null });
  };

  // On a narrow screen the details cover the page, which cannot be reached behind them.
  const covers = () => narrow.matches && isOpen(view.current);
  const BEHIND = ".skip, .top, footer, main > section:not(#rows), #rows > h2, .filters, .list-pane";
  const cover = () => {
    browser.classList.toggle("open", isOpen(view.current));
    document.documentElement.classList.toggle("covered", covers());
    for (const part of document.querySelectorAll(BEHIND)) part.inert = covers();
    const inside = pane.contains(document.activeElement);
    if (covers() && !inside) get("close").focus({ preventScroll: true });
  };
  narrow.addEventListener("change", cover);

  const details = report.details(pane, {
    close, step, filter: filters.filter, open: (row) => view.set({ row }),
  });
  const showDetails = ({ row, absent, q }) => {
    if (row !== null) details.row(row, selection.places[row], selection.hits.length, q);
    else if (absent !== null) details.absent(absent);
    else details.none(selection.hits);
    cover();
  };

  const showList = (current, cause) => {
    selection = rows.select(current);
    filters.show(current, selection, cause);
    const kept = cause === "set" ? {} : history.state ?? {};
    const place = current.row === null ? -1 : selection.places[current.row];
    list.show(selection.hits, place >= 0 ? place : kept.cursor ?? 0, kept.top ?? 0);
  };

  const show = (current, previous, cause) => {
    const differs = (name) => previous === null || current[name] !== previous[name];
    const relisted = SHOWN_BY.some(differs), chosen = differs("row") || differs("absent");
    if (relisted) showList(current, cause);
    else if (chosen) {
      // After the details of a row are closed, the list is at that row.
      const place = selection.places[current.row ?? previous.row];
      if (place >= 0) list.select(place);
    }
    if (relisted || chosen) showDetails(current);
    if (previous !== null && isOpen(previous) && !isOpen(current)) focus();
  };
  view.onChange(show);

  report.browser = {
    step, close, open, focus, covers,
    get list() { return list; },
    get hits() { return selection.hits; },
    scrollTo: () => browser.scrollIntoView({ block: "nearest" }),
    // Shows just these rows, whatever was filtered before.
    show: (changes) => {
      view.set({ ...view.CLEAR, kind: "all", row: null, ...changes });
      browser.scrollIntoView({ block: "start" });
      focus();
    },
  };
})();
