// The rows that are listed, as a CSV file.
(() => {
  "use strict";
  const { element, browser, labels, rows } = window.relxReport;
  // A span has its words, and where it is a facet too, its type.
  const columnsOf = ({ name }) => [
    [name, (row) => rows.word(name, row)],
    ...(name in rows.names ? [[`${name}_type`, (row) => rows.valueOf(name, row)]] : []),
  ];
  const spanNames = new Set(rows.spans.map(({ name }) => name));
  const others = rows.facets.filter(({ name }) => !spanNames.has(name));
  const COLUMNS = {
    id: (row) => rows.id[row],
    sentence: (row) => rows.sentence[row],
    ...Object.fromEntries(rows.spans.flatMap(columnsOf)),
    ...Object.fromEntries(others.map(({ name }) => [name, (row) => rows.valueOf(name, row)])),
    ...labels.columns,
  };
  const cellsOf = (row) => Object.values(COLUMNS).map((read) => read(row));
  // A spreadsheet computes what begins with these; an apostrophe says that it is text.
  const isFormula = (text) =>
    /^\s*[=+\-@\t\r]/.test(text) && !/^\s*[-+]?[\d.,]+(e[-+]?\d+)?\s*%?\s*$/i.test(text);
  const quoted = (value) => {
    const text = isFormula(String(value)) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };

  document.getElementById("download").addEventListener("click", () => {
    const table = [Object.keys(COLUMNS), ...Array.from(browser.hits, cellsOf)];
    const lines = table.map((cells) => cells.map(quoted).join(","));
    // The byte order mark tells spreadsheets that the file is UTF-8.
    const file = new Blob([`\ufeff${lines.join("\r\n")}\r\n`], { type: "text/csv" });
    const link = element("a", { href: URL.createObjectURL(file), download: "rows.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
})();
