// The view that is shown, as a file: SVG and CSV are written here, and the PNG is drawn of the SVG.
(() => {
  "use strict";
  const page = window.relxAttention;
  const { data } = page;
  const SIDE = 18;
  const HEADING = 34;

  const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const colorOf = (token) => {
    const role = page.roles.findIndex((name) => page.isInside(token, data[name]));
    if (role >= 0) return color(["--first", "--second"][role]);
    return data.parts[token] === "sentence" || data.pooled.includes(token) ? color("--ink") : color("--faint");
  };
  const shortened = (text) => (text.length > 12 ? `${text.slice(0, 11)}…` : text);
  const pen = document.createElement("canvas").getContext("2d");
  // Room for the longest name on an axis.
  const marginOf = (tokens) => {
    pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    return 16 + Math.ceil(Math.max(...tokens.map((token) => pen.measureText(`● ${shortened(data.texts[token])}`).width)));
  };
  const nameOf = (token) => `${data.pooled.includes(token) ? "● " : ""}${escaped(shortened(data.texts[token]))}`;

  const axes = (tokens, margin) => tokens.flatMap((token, index) => {
    const at = (index + 0.5) * SIDE;
    const style = `fill="${colorOf(token)}" dominant-baseline="central"`;
    const row = `<text x="${margin - 6}" y="${HEADING + margin + at}" text-anchor="end" ${style}>${nameOf(token)}</text>`;
    const turned = `transform="translate(${margin + at},${HEADING + margin - 6}) rotate(-90)"`;
    return [row, `<text ${turned} ${style}>${nameOf(token)}</text>`];
  });

  const rectangles = ({ tokens, weights, darkest }, margin, faint) => {
    const colors = page.colors();
    const found = [];
    weights.forEach((weight, at) => {
      const share = page.shade(weight, darkest, faint);
      if (share < 1 / 510) return; // the paper's own colour
      const x = margin + (at % tokens.length) * SIDE;
      const y = HEADING + margin + Math.floor(at / tokens.length) * SIDE;
      const fill = page.mixed(colors, share).map((part) => part.toString(16).padStart(2, "0")).join("");
      found.push(`<rect x="${x}" y="${y}" width="${SIDE}" height="${SIDE}" fill="#${fill}"/>`);
    });
    return found;
  };

  // The page's own letters go along, for a system that lacks them.
  const fonts = () => [...document.styleSheets]
    .flatMap((sheet) => [...sheet.cssRules])
    .filter((rule) => rule instanceof CSSFontFaceRule)
    .map((rule) => rule.cssText)
    .join("");

  const drawing = (state) => {
    const shown = page.shown(state);
    const side = shown.tokens.length * SIDE;
    const margin = marginOf(shown.tokens);
    const [width, height] = [margin + side + 12, HEADING + margin + side + 12];
    const title = escaped(page.titleOf(state));
    const text = [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" `
        + `font-family="${escaped(getComputedStyle(document.body).fontFamily)}" font-size="12" shape-rendering="crispEdges">`,
      `<title>${title}</title>`,
      `<style>${fonts()}</style>`,
      `<rect width="${width}" height="${height}" fill="${color("--paper")}"/>`,
      `<text x="12" y="22" font-size="15" font-weight="600" fill="${color("--ink")}">${title}</text>`,
      ...rectangles(shown, margin, state.faint),
      `<rect x="${margin}" y="${HEADING + margin}" width="${side}" height="${side}" fill="none" stroke="${color("--grid")}"/>`,
      ...axes(shown.tokens, margin),
      "</svg>",
    ].join("\n");
    return { text, width, height };
  };

  const table = (state) => {
    const { tokens, weights } = page.shown(state);
    const quoted = (token) => `"${data.texts[token].replaceAll('"', '""')}"`;
    const lines = ["query,query_token,key,key_token,weight"];
    weights.forEach((weight, at) => {
      const query = tokens[Math.floor(at / tokens.length)];
      const key = tokens[at % tokens.length];
      lines.push(`${query},${quoted(query)},${key},${quoted(key)},${weight.toPrecision(5)}`);
    });
    return `${lines.join("\r\n")}\r\n`;
  };

  const save = (blob, ending) => {
    const { view, layer, head } = page.state;
    const names = { mean: "all-mean", rollout: "rollout", layer: `layer-${layer}`, head: `layer-${layer}-head-${head}` };
    const link = page.element("a", { download: `${names[view]}.${ending}` });
    link.href = URL.createObjectURL(blob);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  const picture = ({ text, width, height }) => new Promise((resolve, reject) => {
    const image = new Image();
    image.onerror = () => reject(new Error("the SVG cannot be drawn"));
    image.onload = () => {
      // A canvas has a largest size; a long sentence is drawn with fewer pixels a cell.
      const scale = Math.min(2, 8000 / Math.max(width, height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob(resolve, "image/png");
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  });

  // Tests read what would be saved.
  page.fileOf = async (ending, state = page.state) => {
    if (ending === "csv") return new Blob([table(state)], { type: "text/csv" });
    const drawn = drawing(state);
    return ending === "png" ? picture(drawn) : new Blob([drawn.text], { type: "image/svg+xml" });
  };

  document.querySelectorAll("[data-save]").forEach((button) => {
    const { save: ending } = button.dataset;
    button.addEventListener("click", async () => save(await page.fileOf(ending), ending));
  });
})();
