// The weights: unpacked, and as one matrix for what is looked at.
(() => {
  "use strict";
  const page = (window.relxAttention ??= {});
  const data = JSON.parse(document.getElementById("attention-data").textContent);
  page.data = data;
  const { length } = data;

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  // What is packed is the square root, so that small weights are not lost.
  const unpacked = (text, bits) => {
    const raw = bytes(text);
    if (bits === 8) return { numbers: raw, most: 255 };
    const numbers = new Uint16Array(raw.length / 2);
    const view = new DataView(raw.buffer);
    for (let at = 0; at < numbers.length; at += 1) numbers[at] = view.getUint16(2 * at, true);
    return { numbers, most: 65535 };
  };

  const heads = unpacked(data.weights, data.bits);
  const packs = { mean: unpacked(data.mean, 16), rollout: unpacked(data.rollout, 16) };
  const means = unpacked(data.means, 16);

  // One matrix of a pack, as numbers from 0 to 1.
  const matrix = ({ numbers, most }, index) => {
    const size = length * length;
    const found = new Float32Array(size);
    for (let at = 0; at < size; at += 1) found[at] = (numbers[index * size + at] / most) ** 2;
    return found;
  };

  const whole = ({ view, layer, head }) => {
    if (view === "head") return matrix(heads, (layer - 1) * data.heads + head - 1);
    if (view === "layer") return matrix(means, layer - 1);
    return matrix(packs[view], 0);
  };

  const all = Array.from({ length }, (_, token) => token);
  const isSpecial = (token) => data.parts[token] === "special";
  const ordinary = all.filter((token) => !isSpecial(token));

  // What is left without special tokens, each row scaled to sum to 1 again.
  const restricted = (weights, tokens) => {
    const found = new Float32Array(tokens.length ** 2);
    tokens.forEach((query, row) => {
      let sum = 0;
      for (const key of tokens) sum += weights[query * length + key];
      tokens.forEach((key, column) => {
        found[row * tokens.length + column] = sum > 0 ? weights[query * length + key] / sum : 0;
      });
    });
    return found;
  };

  // The largest weight between ordinary tokens: special ones would leave the rest pale.
  const darkest = (weights, tokens) => {
    let found = 0;
    tokens.forEach((query, row) => {
      if (isSpecial(query)) return;
      tokens.forEach((key, column) => {
        if (!isSpecial(key)) found = Math.max(found, weights[row * tokens.length + column]);
      });
    });
    return found || 1;
  };

  // What a state shows: the tokens, their matrix (queries × keys, row by row), and the darkest.
  page.shown = (state) => {
    const tokens = state.special ? all : ordinary;
    const weights = state.special ? whole(state) : restricted(whole(state), tokens);
    return { tokens, weights, darkest: darkest(weights, tokens) };
  };

  // From a weight to its shade from 0 to 1.
  page.shade = (weight, most, faint) => {
    const share = Math.min(1, weight / most);
    return faint ? Math.sqrt(share) : share;
  };

  // The roles whose words this sentence has.
  page.roles = window.relxTask.spans.map(({ name }) => name).filter((name) => name in data);
  page.isSpecial = isSpecial;
  page.isInside = (token, [start, end]) => start <= token && token < end;
  page.classes = (token) => [
    data.parts[token],
    ...page.roles.filter((role) => page.isInside(token, data[role])),
    ...(data.pooled.includes(token) ? ["pooled"] : []),
    ...(data.unknown[token] ? ["unknown"] : []),
  ];
  page.percent = (weight) => `${(100 * weight).toFixed(weight < 0.1 ? 2 : 1)} %`;
  page.titles = {
    mean: () => "Mean of all heads of all layers",
    rollout: () => "Attention rollout",
    layer: ({ layer }) => `Layer ${layer}, mean of its heads`,
    head: ({ layer, head }) => `Layer ${layer}, head ${head}`,
  };
  page.titleOf = (state) => page.titles[state.view](state);

  // The theme's two ends of the scale, as [red, green, blue].
  page.colors = () => {
    const style = getComputedStyle(document.documentElement);
    const parsed = (name) => {
      const text = style.getPropertyValue(name).trim();
      return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
    };
    return { low: parsed("--paper"), high: parsed("--heat-color") };
  };
  page.mixed = ({ low, high }, share) => low.map((part, at) => Math.round(part + share * (high[at] - part)));

  // Paints a square of weights, one pixel a cell.
  page.paint = (canvas, weights, side, most, faint) => {
    const colors = page.colors();
    canvas.width = side;
    canvas.height = side;
    // Pixels are written one by one: that is memory's work, not a graphics card's.
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const image = context.createImageData(side, side);
    for (let at = 0; at < side * side; at += 1) {
      const [red, green, blue] = page.mixed(colors, page.shade(weights[at], most, faint));
      image.data.set([red, green, blue, 255], 4 * at);
    }
    context.putImageData(image, 0, 0);
  };

  page.element = (tag, attributes = {}, text = "") => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    return made;
  };
})();
