// Tables sort by the column whose head is pressed: numbers by their value, whatever their unit.
const UNITS = { "%": 1, s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9, min: 60, h: 3600, B: 1, KiB: 2 ** 10,
  MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

// What a cell is sorted by: a number, or else its text; a dash comes last.
function key(cell) {
  const text = cell.textContent.trim();
  if (text === "-" || text === "") return null;
  const match = text.replace(/^< /, "").match(/^([+-]?[\d.,]*\d(?:e[+-]?\d+)?)\s*(%|[A-Za-z]+)?/);
  if (!match) return text.toLowerCase();
  return parseFloat(match[1].replace(/,/g, "")) * (UNITS[match[2]] ?? 1);
}

function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function sort(table, column, head) {
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return compare(a, b);
    return down ? compare(b, a) : compare(a, b);
  });
  for (const [, row] of rows) body.append(row);
}

for (const table of document.querySelectorAll("table")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, column, head));
    head.scope = "col";
    head.append(button);
  });
}
