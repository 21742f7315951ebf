"use strict";
// Without this script the table stands complete and ranked; with it columns sort and rows filter.
document.documentElement.classList.add("scripted");
const board = document.getElementById("board");
if (board) makeSortable(board);

function makeSortable(table) {
  const body = table.tBodies[0];
  const original = [...body.rows];

  function value(row, column, kind) {
    const cell = row.cells[column];
    if (kind === "text") return cell.querySelector(".title").textContent.trim().toLowerCase();
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  }

  function sortBy(header, column) {
    const kind = header.dataset.sort;
    const first = header.dataset.first; // the best, or the letter A, at the top
    const other = first === "ascending" ? "descending" : "ascending";
    const direction = header.getAttribute("aria-sort") === first ? other : first;
    const sign = direction === "ascending" ? 1 : -1;
    const rows = [...original].sort((a, b) => {
      const x = value(a, column, kind), y = value(b, column, kind);
      if (x === y) return 0;
      if (x === null) return 1; // what is missing stays at the end in both directions
      if (y === null) return -1;
      return x < y ? -sign : sign;
    });
    for (const h of table.tHead.rows[0].cells) h.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction);
    body.append(...rows);
  }

  [...table.tHead.rows[0].cells].forEach((header, column) => {
    if (!header.dataset.sort) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sortBy(header, column));
  });

  const filter = document.getElementById("filter");
  const chosen = document.getElementById("family");
  const shown = document.getElementById("shown");
  function narrow() {
    const wanted = filter.value.trim().toLowerCase();
    let count = 0;
    for (const row of original) {
      const [title, family] = row.querySelector("th").querySelectorAll(".title, .family");
      const found = `${title.textContent} ${family.textContent}`.toLowerCase().includes(wanted);
      row.hidden = !found || (chosen.value !== "" && row.dataset.family !== chosen.value);
      if (!row.hidden) count += 1;
    }
    shown.textContent = wanted || chosen.value ? `${count} of ${original.length} rows` : "";
  }
  filter.addEventListener("input", narrow);
  chosen.addEventListener("change", narrow);
}
