// The sentence, shaded with the weights from one of its tokens.
(() => {
  "use strict";
  const page = window.relxAttention;
  const { data } = page;
  const DARK = 0.7; // from this shade on, letters of the other colour are read better
  const box = document.getElementById("tokens");

  const buttons = data.texts.map((text, token) => {
    const spaced = data.spaced[token] ? ["spaced"] : [];
    const classes = [...page.classes(token), ...spaced].join(" ");
    const made = page.element("button", { type: "button", class: classes }, text);
    made.dataset.token = token;
    made.addEventListener("click", () => page.go({ from: token }));
    return made;
  });
  // A line may break where a space stands.
  box.append(...buttons.flatMap((button, token) => (data.spaced[token] ? [" ", button] : [button])));

  const tip = (token, weight) => {
    const unknown = data.unknown[token] ? ", unknown to the tokenizer" : "";
    return `${data.pieces[token]}${unknown}: ${weight}`;
  };

  page.drawSentence = (state, { tokens, weights, darkest }) => {
    const row = tokens.indexOf(state.from);
    buttons.forEach((button, token) => {
      const column = tokens.indexOf(token);
      const weight = column < 0 ? 0 : weights[row * tokens.length + column];
      const share = page.shade(weight, darkest, state.faint);
      button.disabled = column < 0;
      button.style.setProperty("--heat", share.toFixed(3));
      button.classList.toggle("dark", share > DARK);
      button.setAttribute("aria-pressed", String(token === state.from));
      button.title = tip(token, column < 0 ? "left out" : page.percent(weight));
    });
    const text = `${data.texts[state.from]} (token ${state.from}) looks at the shaded tokens. ${page.titleOf(state)}.`;
    document.getElementById("from").textContent = text;
  };
})();
