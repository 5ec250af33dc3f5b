// Light or dark: the reader's system decides until the button is pressed.
(() => {
  "use strict";
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const remembered = () => {
    try { return localStorage.getItem("relx-theme"); } catch { return null; }
  };
  const remember = (theme) => {
    try { localStorage.setItem("relx-theme", theme); } catch { /* a page from a file may not */ }
  };
  const theme = remembered();
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.addEventListener("click", () => {
      const shown = root.dataset.theme ?? (dark.matches ? "dark" : "light");
      root.dataset.theme = shown === "dark" ? "light" : "dark";
      remember(root.dataset.theme);
    });
  }
})();
