// Puts the parts together.

const boards = JSON.parse(document.getElementById("data").textContent);
const hiddenRows = new Map();

function isShown(row) {
  return !hiddenRows.get(row.board)?.has(row.name);
}

function freshPlot(figure) {
  figure.querySelector(".plot")?.remove();
  const plot = html("div", "plot");
  const tip = html("div", "tip");
  tip.hidden = true;
  plot.append(tip);
  figure.append(plot);
  return plot;
}

function drawCharts() {
  for (const table of document.querySelectorAll("table.sortable")) {
    const hidden = [...table.tBodies[0].rows].filter((row) => row.hidden).map((row) => row.dataset.row);
    hiddenRows.set(Number(table.dataset.board), new Set(hidden));
  }
  for (const figure of document.querySelectorAll(".chart")) {
    if (figure.closest(".board").hidden) continue;
    const draw = figure.dataset.chart === "scatter" ? drawScatter : drawCurves;
    draw(figure, boards[Number(figure.dataset.board)]);
  }
}

function setUpCharts() {
  boards.forEach((board, number) => {
    for (const row of board.rows) row.board = number;
  });
  for (const figure of document.querySelectorAll(".chart")) {
    const select = figure.querySelector("[data-axis]");
    if (select) setUpAxis(select, boards[Number(figure.dataset.board)]);
    figure.querySelector("[data-log]").addEventListener("change", drawCharts);
  }
  let width = innerWidth;
  addEventListener("resize", () => {
    if (width !== innerWidth) requestAnimationFrame(drawCharts);
    width = innerWidth;
  });
}

function setUpAxis(select, board) {
  for (const cost of board.costs) select.append(new Option(cost.name, cost.name));
  if (board.costs.some((cost) => cost.name === state.cost)) select.value = state.cost;
  select.addEventListener("change", () => {
    state.cost = select.value;
    for (const other of document.querySelectorAll("[data-axis]"))
      if ([...other.options].some((option) => option.value === state.cost)) other.value = state.cost;
    keepState();
    drawCharts();
  });
}

function setUpSamples() {
  for (const button of document.querySelectorAll(".samples button")) {
    button.addEventListener("click", () => {
      const large = button.closest("figure").classList.toggle("large");
      button.setAttribute("aria-pressed", String(large));
    });
  }
}

setUpCharts();
setUpSamples();
setUpSorting();
setUpFilters();
