// Sorting by a click on a heading, and hiding what the filter does not match.

function setUpSorting() {
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      heading.querySelector("button").addEventListener("click", () => {
        const turned = { ascending: "descending", descending: "ascending" };
        const order = turned[heading.getAttribute("aria-sort")] || heading.dataset.first || "ascending";
        sortTable(table, column, order);
        state.sort.set(table.dataset.board, { column, order });
        keepState();
      });
    });
    const kept = state.sort.get(table.dataset.board);
    if (kept && table.tHead.rows[0].cells[kept.column]) sortTable(table, kept.column, kept.order);
  }
}

function sortTable(table, column, order) {
  const body = table.tBodies[0];
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...body.rows].map((row) => ({ row, key: sortKey(row.cells[column]) }));
  rows.sort((a, b) => compareKeys(a.key, b.key, sign));
  body.append(...rows.map((each) => each.row));
  [...table.tHead.rows[0].cells].forEach((heading, place) => {
    if (place === column) heading.setAttribute("aria-sort", order);
    else heading.removeAttribute("aria-sort");
  });
}

function sortKey(cell) {
  if (cell.dataset.sortText !== undefined) return cell.dataset.sortText.toLowerCase();
  if (cell.dataset.sort === undefined) return cell.textContent.trim().toLowerCase();
  const number = parseFloat(cell.dataset.sort);
  return Number.isNaN(number) ? null : number;
}

// Rows without a figure stand last in either order.
function compareKeys(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  return sign * (typeof a === "number" ? a - b : a.localeCompare(b));
}

function setUpFilters() {
  const controls = { filter: "filter", suite: "suite", dataset: "dataset" };
  for (const [name, id] of Object.entries(controls)) {
    const control = document.getElementById(id);
    control.value = state[name];
    if (control.value !== state[name]) state[name] = control.value = "";
    control.addEventListener("input", () => {
      state[name] = control.value;
      keepState();
      applyFilters();
    });
  }
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  for (const link of document.querySelectorAll("[data-jump]")) {
    // The address holds the view, so a link to a leaderboard scrolls without changing it.
    link.addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById(`board-${link.dataset.jump}`).scrollIntoView();
    });
  }
  applyFilters();
}

function applyFilters() {
  const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
  for (const part of document.querySelectorAll("[data-search]")) {
    const text = part.dataset.search.toLowerCase();
    part.hidden = !words.every((word) => text.includes(word));
  }
  for (const part of document.querySelectorAll(".part"))
    part.hidden = !part.querySelector("[data-search]:not([hidden])");
  for (const board of document.querySelectorAll(".board")) {
    board.hidden =
      (state.suite !== "" && state.suite !== board.dataset.suite) ||
      (state.dataset !== "" && state.dataset !== board.dataset.dataset);
  }
  const rows = [...document.querySelectorAll(".board tbody tr")];
  const shown = rows.filter((row) => !row.hidden && !row.closest(".board").hidden);
  document.getElementById("shown").textContent =
    shown.length === rows.length ? "" : `${shown.length} of ${rows.length} rows`;
  drawCharts();
}
