// One label at a time, chosen from a menu, by buttons, or by a link to it.
(() => {
  "use strict";
  const cards = [...document.querySelectorAll(".card.label")];
  const chooser = document.querySelector(".chooser");
  const menu = document.getElementById("label-menu");
  if (!cards.length || !chooser || !menu) return;

  const show = (id) => {
    for (const card of cards) card.hidden = card.id !== id;
    menu.value = id;
    const place = menu.selectedIndex;
    for (const button of chooser.querySelectorAll("[data-step]")) {
      const next = place + Number(button.dataset.step);
      button.disabled = next < 0 || next >= cards.length;
    }
  };
  const choose = (id) => {
    show(id);
    history.replaceState(null, "", `#${id}`);
  };
  const linked = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    return cards.some((card) => card.id === id) ? id : null;
  };
  const follow = () => {
    const id = linked();
    if (id === null) return;
    show(id);
    document.getElementById("by-label").scrollIntoView();
    document.getElementById(id).focus({ preventScroll: true });
  };

  chooser.hidden = false;
  menu.addEventListener("change", () => choose(menu.value));
  for (const button of chooser.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
      choose(cards[menu.selectedIndex + Number(button.dataset.step)].id);
      if (button.disabled) menu.focus();
    });
  }
  window.addEventListener("hashchange", follow);
  // A link to the label that is named already changes no hash.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#label-']");
    if (link && link.getAttribute("href") === location.hash) {
      event.preventDefault();
      follow();
    }
  });
  show(linked() ?? (cards[1] ?? cards[0]).id);
  follow();
})();
