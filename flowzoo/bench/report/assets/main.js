// Puts the parts together.

const boards = JSON.parse(document.getElementById("data").textContent);
function freshPlot(figure) {
  figure.querySelector(".plot")?.remove();
  const plot = html("div", "plot");
  figure.append(plot);
  return plot;
}

function html(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text; // Text is only ever set as text, never read as markup.
  return made;
}

function drawCharts() {
  for (const figure of document.querySelectorAll(".chart")) {
    const section = figure.closest(".board");
    if (section.hidden) continue;
    const shown = new Set([...section.querySelectorAll(".leaderboard tbody tr:not([hidden])")].map((row) => row.dataset.row));
    const board = boards[Number(figure.dataset.board)];
    const draw = figure.dataset.chart === "scatter" ? drawScatter : drawCurves;
    draw(figure, board, board.rows.filter((row) => shown.has(row.name)));
  }
}

function setUpCharts() {
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
