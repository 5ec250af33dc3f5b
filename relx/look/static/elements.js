// Elements made from data: text stays text, whatever it holds.
(() => {
  "use strict";
  const report = (window.relxReport ??= {});

  // An attribute of null or false is left out, and one of true has no value.
  report.element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  };

  report.button = (text, press, attributes = {}) => {
    const made = report.element("button", { type: "button", ...attributes }, text);
    made.addEventListener("click", press);
    return made;
  };

  // A choice of a few, as radio buttons that look like one control.
  report.choice = (fieldset, name, options, choose) => {
    for (const { value, title } of options) {
      const input = report.element("input", { type: "radio", name, value });
      const text = report.element("span", {}, title);
      fieldset.append(report.element("label", {}, input, text));
    }
    fieldset.addEventListener("change", (event) => choose(event.target.value));
  };

  report.check = (fieldset, value) => {
    for (const input of fieldset.querySelectorAll("input")) input.checked = input.value === value;
  };

  const grouped = new Intl.NumberFormat("en-US");
  report.number = (value) => grouped.format(value);
  report.percent = (share, digits = 1) => `${(share / 100).toFixed(digits)} %`;
})();
