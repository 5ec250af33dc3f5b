// Any number of labels beside the right ones: each is right, missing, or surplus, by sign and word.
(() => {
  "use strict";
  const SIGNS = { right: "✓", missing: "−", surplus: "+" };
  const HEARD = { right: "", missing: "missing ", surplus: "surplus " }; // for those who cannot see

  // What became of each label: those that are right, then the missing, then the surplus ones.
  const verdicts = (gold, predicted) => [
    ...gold.filter((at) => predicted.includes(at)).map((at) => ({ at, is: "right" })),
    ...gold.filter((at) => !predicted.includes(at)).map((at) => ({ at, is: "missing" })),
    ...predicted.filter((at) => !gold.includes(at)).map((at) => ({ at, is: "surplus" })),
  ];

  const made = (tag, attributes, ...children) => {
    const one = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
    one.append(...children);
    return one;
  };
  const chip = (name, is, more = "") => made("span", { class: `tag ${is}`, title: is },
    made("span", { "aria-hidden": "true" }, `${SIGNS[is]} `),
    ...(HEARD[is] ? [made("span", { class: "unseen" }, HEARD[is])] : []), name, more);
  const none = (is) => made("span", { class: `tag none ${is}` }, is === "right" ? "✓ no label" : "no label");

  window.relxChips = { SIGNS, verdicts, chip, none };
})();
