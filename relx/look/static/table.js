// The table of classes: a press on a heading sorts it, a press on a label shows its rows.
(() => {
  "use strict";
  const report = window.relxReport;
  const { view } = report;
  const table = document.getElementById("class-table");
  const body = table.tBodies[0];
  const heads = [...table.querySelectorAll("th[data-column]")];
  const lines = [...body.rows];

  // A class without rows has no figures; it comes last whichever way is sorted.
  const valueOf = (line, column) => {
    const cell = line.cells[heads[column].cellIndex];
    if (cell.dataset.value === undefined) return cell.textContent.trim();
    const value = Number(cell.dataset.value);
    return Number.isNaN(value) ? null : value;
  };
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "ko") : a - b);

  // `-f1` is from the highest down, `f1` from the lowest up, nothing the order of the label list.
  const sort = ({ classes }) => {
    const down = classes.startsWith("-");
    const column = heads.findIndex((head) => head.dataset.column === classes.replace(/^-/, ""));
    heads.forEach((head, at) => {
      if (at === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const valueAt = (line, at) => (column < 0 ? at : valueOf(line, column));
    const order = lines.map((line, at) => ({ line, at, value: valueAt(line, at) }));
    order.sort((a, b) => {
      const without = (a.value === null) - (b.value === null);
      if (without || a.value === null) return without || a.at - b.at;
      return (down ? -1 : 1) * compare(a.value, b.value) || a.at - b.at;
    });
    body.append(...order.map(({ line }) => line));
  };

  let sorted = "";
  view.onChange((current) => {
    if (current.classes === sorted) return;
    sorted = current.classes;
    sort(current);
  });

  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("button")?.closest("th");
    if (!head) return;
    const name = head.dataset.column, now = view.current.classes;
    // Numbers come from the highest down at the first press, names from A on.
    const turns = name === "label" ? [name, `-${name}`, ""] : [`-${name}`, name, ""];
    view.set({ classes: turns[(turns.indexOf(now) + 1) % turns.length] });
  });

  body.addEventListener("click", (event) => {
    const pressed = event.target.closest("button[data-filter]");
    if (!pressed) return;
    report.browser.show({ [pressed.dataset.filter]: Number(pressed.closest("tr").dataset.class) });
  });
})();
