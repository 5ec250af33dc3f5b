// A list of any length: only the rows in view are in the page, and they are used again.
(() => {
  "use strict";
  const report = window.relxReport;
  const { element } = report;
  const ROW = 4.85; // rem
  const EXTRA = 5; // rows above and below those that are seen

  // `fill(element, row)` writes a row, `open(place)` is called on a click, `paused()` at rest.
  report.list = (box, { fill, open, paused }) => {
    const sizer = element("div", { class: "sizer", role: "presentation" });
    box.append(sizer);
    let hits = new Uint32Array(0), cursor = -1, version = 0, pool = [];
    let height = 0, room = 0, waiting = false, rest = 0;

    const place = (made, at) => {
      if (made.at === at && made.version === version) return;
      Object.assign(made, { at, version, hidden: false });
      made.style.transform = `translateY(${at * height}px)`;
      made.id = `option-${at}`;
      made.setAttribute("aria-posinset", at + 1);
      made.setAttribute("aria-setsize", hits.length);
      fill(made, hits[at]);
    };

    const mark = () => {
      let shown = null;
      for (const made of pool) {
        const chosen = !made.hidden && made.at === cursor;
        made.setAttribute("aria-selected", chosen);
        if (chosen) shown = made;
      }
      if (shown) box.setAttribute("aria-activedescendant", shown.id);
      else box.removeAttribute("aria-activedescendant");
    };

    const draw = () => {
      waiting = false;
      const first = Math.max(0, Math.floor(box.scrollTop / height) - EXTRA);
      const last = Math.min(hits.length, first + pool.length);
      for (const made of pool) {
        if (made.at < first || made.at >= last) Object.assign(made, { at: -1, hidden: true });
      }
      for (let at = first; at < last; at += 1) place(pool[at % pool.length], at);
      mark();
    };
    const drawSoon = () => {
      if (!waiting) requestAnimationFrame(draw);
      waiting = true;
    };

    // Sizes are read where they change, not where rows are drawn.
    const measure = () => {
      height = Math.round(parseFloat(getComputedStyle(document.documentElement).fontSize) * ROW);
      room = box.clientHeight;
      const wanted = Math.ceil(room / height) + 1 + 2 * EXTRA;
      while (pool.length < wanted) {
        pool.push(element("div", { class: "row", role: "option", hidden: true }));
        sizer.append(pool.at(-1));
      }
      pool.splice(wanted).forEach((made) => made.remove());
      version += 1; // another pool puts rows elsewhere
      box.style.setProperty("--row", `${height}px`);
    };
    const grow = () => { sizer.style.height = `${hits.length * height}px`; };

    const reveal = (at) => {
      const top = at * height;
      if (top < box.scrollTop) box.scrollTop = top;
      else if (top + height > box.scrollTop + room) box.scrollTop = top + height - room;
    };

    box.addEventListener("scroll", () => {
      drawSoon();
      clearTimeout(rest);
      rest = setTimeout(paused, 250);
    }, { passive: true });
    box.addEventListener("click", (event) => {
      const made = event.target.closest(".row");
      if (made) open(made.at);
    });
    new ResizeObserver(() => { measure(); grow(); draw(); }).observe(box);

    return {
      show: (rows, at, top) => {
        hits = rows;
        cursor = Math.min(at, hits.length - 1);
        version += 1;
        if (!height) measure();
        grow();
        box.scrollTop = top;
        if (cursor >= 0 && top === 0) reveal(cursor);
        draw();
      },
      select: (at) => {
        cursor = Math.max(-1, Math.min(at, hits.length - 1));
        if (cursor >= 0) reveal(cursor);
        draw();
      },
      fill: () => { version += 1; draw(); },
      get cursor() { return cursor; },
      get seen() { return Math.max(1, Math.floor(room / height)); },
      get top() { return box.scrollTop; },
    };
  };
})();
