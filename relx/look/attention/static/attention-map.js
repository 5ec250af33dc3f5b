// The heat map: tokens on both axes, and a place in it that mouse and keys move.
(() => {
  "use strict";
  const page = window.relxAttention;
  const { data } = page;
  const byId = (id) => document.getElementById(id);
  const heat = byId("heat");
  const cells = byId("cells");
  const canvas = byId("canvas");
  const [rowBand, columnBand] = cells.querySelectorAll(".band");
  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

  let shown = { tokens: [], weights: [], darkest: 1 };
  let side = 16; // of a cell, in pixels
  let place = null; // [row, column] among the tokens that are shown

  const label = (token, axis, index) => {
    const made = page.element("div", { class: page.classes(token).join(" ") });
    made.append(page.element("span", {}, data.texts[token]));
    made.title = data.pieces[token];
    made.dataset[axis] = index;
    return made;
  };

  // Cells are as large as letters need, and smaller ones for a long sentence.
  const sideFor = (count) => (count <= 48 ? 18 : count <= 96 ? 14 : 12);

  // What is turned takes no room of its own.
  const pen = document.createElement("canvas").getContext("2d");
  const lengthOf = (element) => {
    pen.font = getComputedStyle(element).font;
    return pen.measureText(element.textContent).width;
  };

  const drawLabels = () => {
    byId("keys").replaceChildren(...shown.tokens.map((token, index) => label(token, "column", index)));
    byId("queries").replaceChildren(...shown.tokens.map((token, index) => label(token, "row", index)));
    heat.style.setProperty("--cell", `${side}px`);
    heat.style.setProperty("--letters", `${Math.min(13, side - 2.5)}px`);
    const longest = Math.max(...[...byId("keys").children].map(lengthOf));
    heat.style.setProperty("--longest", `${Math.ceil(longest)}px`);
  };

  const drawBands = () => {
    rowBand.hidden = columnBand.hidden = place === null;
    heat.querySelectorAll(".here").forEach((element) => element.classList.remove("here"));
    if (place === null) return;
    const [row, column] = place;
    const full = side * shown.tokens.length;
    rowBand.style.cssText = `left:0;top:${row * side}px;width:${full}px;height:${side}px`;
    columnBand.style.cssText = `top:0;left:${column * side}px;height:${full}px;width:${side}px`;
    byId("keys").children[column].classList.add("here");
    byId("queries").children[row].classList.add("here");
  };

  const named = (token) => `${data.texts[token]} (${token})`;

  const readOut = (title) => {
    const readout = byId("readout");
    if (place === null) {
      readout.textContent = `${title}. Move over the map, or press the arrow keys in it.`;
      return;
    }
    const [row, column] = place;
    const weight = shown.weights[row * shown.tokens.length + column];
    const names = `${named(shown.tokens[row])} → ${named(shown.tokens[column])}`;
    readout.textContent = `${names}: ${page.percent(weight)}. ${title}.`;
  };

  const moveTo = (row, column) => {
    const last = shown.tokens.length - 1;
    const inside = (at) => Math.max(0, Math.min(last, at));
    place = [inside(row), inside(column)];
    drawBands();
    readOut(page.titleOf(page.state));
  };

  // Keeps the place in sight, beside the axes that stand still.
  const follow = () => {
    const [row, column] = place;
    const left = byId("queries").offsetWidth;
    const top = byId("keys").offsetHeight;
    const x = column * side;
    const y = row * side;
    if (x < heat.scrollLeft) heat.scrollLeft = x;
    if (y < heat.scrollTop) heat.scrollTop = y;
    heat.scrollLeft = Math.max(heat.scrollLeft, left + x + side - heat.clientWidth);
    heat.scrollTop = Math.max(heat.scrollTop, top + y + side - heat.clientHeight);
  };

  page.drawMap = (state, found) => {
    const before = place && [shown.tokens[place[0]], shown.tokens[place[1]]];
    shown = found;
    side = sideFor(shown.tokens.length);
    const kept = before && before.map((token) => shown.tokens.indexOf(token));
    place = kept && kept.every((at) => at >= 0) ? kept : null;
    page.paint(canvas, shown.weights, shown.tokens.length, shown.darkest, state.faint);
    canvas.style.width = canvas.style.height = `${side * shown.tokens.length}px`;
    drawLabels();
    drawBands();
    readOut(page.titleOf(state));
    const tail = state.special ? "; special tokens may weigh more" : " after leaving out special tokens";
    byId("scale").textContent = `The strongest colour is ${page.percent(shown.darkest)}${tail}. Each row sums to 100 %.`;
  };

  const under = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientY - box.top, event.clientX - box.left].map((at) => Math.floor(at / side));
  };

  cells.addEventListener("pointermove", (event) => moveTo(...under(event)));
  cells.addEventListener("click", (event) => {
    moveTo(...under(event));
    page.go({ from: shown.tokens[place[0]] });
  });
  byId("queries").addEventListener("click", ({ target }) => {
    const label = target.closest("[data-row]");
    if (label) page.go({ from: shown.tokens[Number(label.dataset.row)] });
  });
  heat.addEventListener("keydown", (event) => {
    const count = shown.tokens.length;
    const start = [Math.max(0, shown.tokens.indexOf(page.state.from)), 0];
    const [row, column] = place ?? start;
    if (event.key in STEPS) {
      const [down, right] = place ? STEPS[event.key] : [0, 0];
      moveTo(row + down, column + right);
    } else if (event.key === "Home") moveTo(row, 0);
    else if (event.key === "End") moveTo(row, count - 1);
    else if (event.key === "Enter") page.go({ from: shown.tokens[row] });
    else return;
    event.preventDefault();
    if (place) follow();
  });
})();
