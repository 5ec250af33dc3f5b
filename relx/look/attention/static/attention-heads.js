// Every layer and head as a small picture; pressing one shows it.
(() => {
  "use strict";
  const page = window.relxAttention;
  const { data } = page;
  const box = document.getElementById("thumbnails");
  const SMALL = 64; // pixels a side; of longer sentences the largest weight of a few cells is shown
  const columns = data.heads + 1;

  const stateOf = (layer, head) => (head ? { view: "head", layer, head } : { view: "layer", layer });
  const thumbnails = [];

  const made = (layer, head) => {
    const button = page.element("button", { type: "button", class: head ? "head" : "mean", tabindex: "-1" });
    const name = page.titleOf({ ...stateOf(layer, head), layer });
    button.title = name;
    button.setAttribute("aria-label", name);
    button.append(document.createElement("canvas"));
    button.addEventListener("click", () => page.go(stateOf(layer, head)));
    thumbnails.push({ button, layer, head });
    return button;
  };

  const name = (text, top) => page.element("span", { class: top ? "name top" : "name" }, text);
  box.style.gridTemplateColumns = `repeat(${columns + 1}, max-content)`;
  box.style.setProperty("--side", data.heads > 12 ? "36px" : "52px");
  box.append(name(""), name("mean", true));
  for (let head = 1; head <= data.heads; head += 1) box.append(name(String(head), true));
  for (let layer = 1; layer <= data.layers; layer += 1) {
    box.append(name(`layer ${layer}`));
    for (let head = 0; head <= data.heads; head += 1) box.append(made(layer, head));
  }

  // Fewer pixels than tokens: the largest weight of the cells that share one.
  const reduced = (weights, side) => {
    if (side <= SMALL) return { small: weights, across: side };
    const small = new Float32Array(SMALL * SMALL);
    for (let at = 0; at < weights.length; at += 1) {
      const row = Math.floor((Math.floor(at / side) * SMALL) / side);
      const place = row * SMALL + Math.floor(((at % side) * SMALL) / side);
      small[place] = Math.max(small[place], weights[at]);
    }
    return { small, across: SMALL };
  };

  let turn = 0;
  // A few at a time, so that the page answers while they are painted.
  const paintFrom = (first, state, mine) => {
    if (mine !== turn) return;
    const end = performance.now() + 12;
    let at = first;
    while (at < thumbnails.length && performance.now() < end) {
      const { button, layer, head } = thumbnails[at];
      const { tokens, weights, darkest } = page.shown({ ...state, ...stateOf(layer, head) });
      const { small, across } = reduced(weights, tokens.length);
      page.paint(button.firstChild, small, across, darkest, state.faint);
      at += 1;
    }
    if (at < thumbnails.length) setTimeout(paintFrom, 0, at, state, mine);
    else box.dataset.painted = "true";
  };

  page.paintHeads = (state) => {
    turn += 1;
    delete box.dataset.painted;
    setTimeout(paintFrom, 0, 0, state, turn);
  };

  page.markHead = ({ view, layer, head }) => {
    let chosen = null;
    thumbnails.forEach((one) => {
      const isChosen = one.layer === layer && ((view === "head" && one.head === head) || (view === "layer" && !one.head));
      one.button.setAttribute("aria-pressed", String(isChosen));
      one.button.tabIndex = -1;
      if (isChosen) chosen = one.button;
    });
    (chosen ?? thumbnails[0].button).tabIndex = 0;
  };

  box.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const at = thumbnails.findIndex(({ button }) => button === event.target);
    const next = thumbnails[at + steps[event.key]];
    if (at < 0 || !next) return;
    event.preventDefault();
    thumbnails[at].button.tabIndex = -1;
    next.button.tabIndex = 0;
    next.button.focus();
  });
})();
