// Quality against cost, and validation figures over the seconds of training, drawn by Observable Plot.

const COLOURS = 8;
const SYMBOLS = ["circle", "square", "triangle", "diamond"];
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
const BITS = "bits/dim, lower is better";

const colour = (row) => `var(--c${row.colour % COLOURS})`;
// Neighbours differ in shape too, and the same colour comes again with another shape.
const symbol = (row) => SYMBOLS[(row.colour + Math.floor(row.colour / COLOURS)) % SYMBOLS.length];
const dash = (row) => DASHES[Math.floor(row.colour / COLOURS) % DASHES.length];
const pixels = (value) => ({ value, scale: null });

function drawScatter(figure, board, visible) {
  const name = figure.querySelector("[data-axis]").value;
  const place = board.costs.findIndex((each) => each.name === name);
  const cost = board.costs[place];
  const plot = freshPlot(figure);
  const [rows, logarithmic] = onScale(figure, plot, visible.filter((row) => !row.floor), "a figure above zero", (row) => {
    const at = cost ? row.costs[place] : null;
    return at === null ? null : [{ ...row, at }];
  });
  if (!rows.length) return plot.append(html("p", "empty", "No row that is shown has this figure."));

  const near = new Set(robust(rows.map((row) => row.quality)));
  const floor = visible.find((row) => row.floor);
  const ends = rows.filter((row) => near.has(row.quality)).flatMap((row) => [row.quality - row.error, row.quality + row.error]);
  const width = Math.max(280, plot.clientWidth);
  const height = Math.max(300, Math.min(460, width * 0.7));
  const unit = cost.unit ? `${name} [${cost.unit}]` : name;
  const frame = framed(width, height, 14, unit, logarithmic, widened(rows.map((row) => row.at), logarithmic, 0.1), widened(withFloor(ends, floor), false, 0.08));
  const points = rows.map((row) => ({ x: frame.x(row.at), y: frame.y(row.quality), text: near.has(row.quality) ? row.name : `${row.name} ↑ ${short(row.quality)}`, name: row.name }));
  const [low, high] = frame.options.y.domain;
  const far = !floor || floor.quality < low || floor.quality > high;
  const said = floor && { x: (frame.left + frame.right) / 2, y: frame.y(floor.quality), text: `${floor.name}: the floor, ${bits(floor.quality)}${!far ? "" : floor.quality > high ? " (above)" : " (below)"}` };
  const tip = (row) => `${row.name}\n${bits(row.quality)}${row.error ? ` ± ${bits(row.error)}` : ""} bits/dim\n${name} ${short(row.at)} ${cost.unit}`;
  const sound = rows.filter((row) => near.has(row.quality));
  const erring = rows.filter((row) => row.error);
  const dots = { x: "at", y: "quality" };
  const chart = Plot.plot({
    ...frame.options,
    ariaLabel: "Quality against cost",
    marks: [
      ...frame.axis,
      Plot.ruleY(far ? [] : [floor.quality], { className: "floor-line", strokeDasharray: "7 4" }),
      Plot.line(cost.arrow ? front(sound, cost.arrow === "↑") : [], { ...dots, curve: "step-after", className: "front", strokeDasharray: "2 3" }),
      Plot.ruleX(erring, { x: "at", y1: (row) => row.quality - row.error, y2: (row) => row.quality + row.error, stroke: colour, strokeWidth: 1.5, className: "error" }),
      Plot.text(labelled(points, said, frame), { x: pixels("x"), y: pixels("y"), text: "text", className: "label", fontSize: 12 }),
      Plot.dot(rows, { ...dots, fill: colour, symbol, r: 5, className: "series", ariaLabel: tip }),
      Plot.tip(rows, Plot.pointer({ ...dots, title: tip, fontSize: 12, lineWidth: 30 })),
    ],
  });
  finish(figure, plot, chart, { ".series > *": rows, ".error > *": erring }, rows);
}

function drawCurves(figure, board, visible) {
  const plot = freshPlot(figure);
  const known = visible.filter((row) => row.curves.length);
  if (!known.length) return plot.append(html("p", "empty", "No row that is shown has a curve; they come with the metric time-to-bpd."));
  const [lines, logarithmic] = onScale(figure, plot, known, "seconds above zero", (row) =>
    row.curves.flatMap((curve) => curve.map(([at, value]) => ({ row, curve, name: row.name, at, value }))));
  if (!lines.length) return;
  const rows = known.filter((row) => lines.some((each) => each.row === row));
  const ends = rows.map((row) => lines.findLast((each) => each.row === row && each.curve === row.curves[0]) || lines.findLast((each) => each.row === row));
  const width = Math.max(280, plot.clientWidth);
  const height = Math.max(300, Math.min(460, width * 0.7), Math.min(620, rows.length * LINE + 72));
  const room = width > 440 ? Math.min(width * 0.34, Math.max(...rows.map((row) => textWidth(row.name))) + 24) : 14;
  const frame = framed(width, height, room, "seconds of training", logarithmic, widened(lines.map((each) => each.at), logarithmic, 0.01), ofEnds(lines, ends));
  // Rows come best first; names for which there is no line left stand in the legend alone.
  const named = width > 440 ? ends.slice(0, Math.floor((frame.bottom - frame.top) / LINE) + 1) : [];
  const heights = spread(named.map((each) => frame.y(each.value)), frame.top, frame.bottom);
  const labels = named.map((each, place) => ({ name: each.name, x1: frame.x(each.at) + 6, y1: frame.y(each.value), x2: frame.right + 12, y2: heights[place] }));
  const tip = ({ name, at, value }) => `${name}: ${bits(value)} bits/dim after ${short(at)} s`;
  const curves = rows.flatMap((row) => row.curves.map((curve) => lines.filter((each) => each.curve === curve))).filter((each) => each.length);
  const points = { x: "at", y: "value" };
  const [x2, y2] = [pixels("x2"), pixels("y2")];
  const chart = Plot.plot({
    ...frame.options,
    y: { ...frame.options.y, clamp: false },
    ariaLabel: "Bits/dim over training",
    marks: [
      ...frame.axis,
      ...curves.map((curve) => Plot.line(curve, { ...points, stroke: colour(curve[0].row), strokeDasharray: dash(curve[0].row), strokeWidth: 1.75, className: "curve", clip: true })),
      Plot.link(labels, { x1: pixels("x1"), y1: pixels("y1"), x2, y2, className: "leader" }),
      Plot.text(labels, { x: x2, y: y2, text: "name", dx: 3, textAnchor: "start", lineWidth: (room - 17) / 12, textOverflow: "ellipsis", className: "label", fontSize: 12 }),
      Plot.dot(ends, { x: "at", y: pixels((each) => frame.y(each.value)), fill: (each) => colour(each.row), symbol: (each) => symbol(each.row), r: 5, className: "series", ariaLabel: tip }),
      Plot.tip(lines, Plot.pointer({ ...points, title: tip, fontSize: 12, lineWidth: 30 })),
    ],
  });
  finish(figure, plot, chart, { ".series > *": ends, ".label > *": labels, ".leader > *": labels }, rows);
  [...chart.querySelectorAll(".curve")].forEach((each, place) => (each.dataset.row = curves[place][0].name));
}

// The frame of a chart: Plot's options, its box, and where a value lies in pixels.
function framed(width, height, right, label, logarithmic, across, up) {
  const box = { left: 48, right: width - right, top: 24, bottom: height - 44 };
  const common = { grid: true, labelArrow: "none" };
  const chosen = ticks(across, logarithmic, Math.floor((box.right - box.left) / 80));
  const named = { label, labelAnchor: "center", labelOffset: 38 };
  const x = { ...common, ...named, type: logarithmic ? "log" : "linear", domain: across, ticks: chosen, tickFormat: short };
  // On a logarithmic scale D3 leaves out numbers of its own choice, so the axis gets them as plain text.
  const axis = Array.isArray(chosen) ? [Plot.axisX(chosen, { ...named, labelArrow: "none", anchor: "bottom", text: short })] : [];
  const y = { ...common, label: BITS, labelAnchor: "top", labelOffset: 44, domain: up, ticks: 6, clamp: true };
  return {
    ...box,
    axis,
    x: Plot.scale({ x: { ...x, range: [box.left, box.right] } }).apply,
    y: Plot.scale({ y: { ...y, range: [box.bottom, box.top] } }).apply,
    options: { width, height, marginLeft: box.left, marginRight: right, marginTop: box.top, marginBottom: 44, className: "chart-svg", x, y, color: { type: "identity" } },
  };
}

// Ticks of a logarithmic axis, as fine as there is room for; of others Plot chooses about as many as are wanted.
function ticks([low, high], logarithmic, wanted) {
  if (!logarithmic) return wanted;
  const powers = Array.from({ length: Math.log10(high) - Math.floor(Math.log10(low)) + 1 }, (_, index) => Math.floor(Math.log10(low)) + index);
  const all = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1]].map((digits) =>
    powers.flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`))).filter((value) => value >= low && value <= high));
  const apart = (found) => found.slice(1).every((value, index) => (Math.log(value / found[index]) / Math.log(high / low)) * wanted > 0.5);
  return all.find((found) => found.length > 2 && apart(found)) || all.find((found) => found.length > 1 && apart(found)) || wanted;
}

// What can be drawn on the scale that the reader chose; what cannot is named above the chart.
function onScale(figure, plot, rows, missing, itemsOf) {
  const logarithmic = figure.querySelector("[data-log]").checked;
  const items = rows.map((row) => [row.name, itemsOf(row)]).filter(([, found]) => found);
  const drawn = (found) => (logarithmic ? found.filter((each) => each.at > 0) : found);
  const left = items.filter(([, found]) => !drawn(found).length).map(([name]) => name);
  if (left.length) plot.append(html("p", "signs", `Not on a log scale, for want of ${missing}: ${left.join(", ")}.`));
  return [items.flatMap(([, found]) => drawn(found)), logarithmic];
}

// Points that no other beats in both quality and cost.
function front(rows, more) {
  const sign = more ? -1 : 1;
  const found = [];
  for (const row of [...rows].sort((a, b) => sign * (a.at - b.at) || a.quality - b.quality))
    if (!found.length || row.quality < found.at(-1).quality) found.push(row);
  return found;
}

// Adds the chart and its legend. Pointing at a row, or moving to it by the keyboard, lets it stand out everywhere.
function finish(figure, plot, chart, marks, rows) {
  for (const [selector, data] of Object.entries(marks))
    for (const each of chart.querySelectorAll(selector)) each.dataset.row = data[each.__data__].name;
  const light = (name) => {
    const board = figure.closest(".board");
    for (const each of board.querySelectorAll(".chart-svg")) each.classList.toggle("dimmed", name !== null);
    for (const each of board.querySelectorAll(".chart [data-row], tbody tr"))
      each.classList.toggle("lit", name !== null && each.dataset.row === name);
  };
  chart.setAttribute("role", "group");
  chart.addEventListener("input", () => light(chart.value ? chart.value.name : null));
  const legend = html("ul", "legend");
  for (const mark of chart.querySelectorAll(".series > *")) {
    mark.setAttribute("tabindex", 0);
    mark.setAttribute("role", "img");
    mark.addEventListener("focus", () => light(mark.dataset.row));
    mark.addEventListener("blur", () => light(null));
    legend.append(entry(mark, rows.find((row) => row.name === mark.dataset.row), light));
  }
  plot.prepend(chart);
  plot.append(legend);
}

function entry(mark, row, light) {
  const made = html("li", "");
  made.dataset.row = row.name;
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", "-13 -7 26 14");
  picture.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [name, value] of Object.entries({ d: "M-12 0H12", stroke: colour(row), "stroke-dasharray": dash(row) })) line.setAttribute(name, value);
  const copy = document.createElementNS("http://www.w3.org/2000/svg", "path");
  copy.setAttribute("d", mark.getAttribute("d"));
  copy.setAttribute("fill", colour(row));
  picture.append(line, copy);
  made.append(picture, html("span", "", row.name));
  made.addEventListener("pointerenter", () => light(row.name));
  made.addEventListener("pointerleave", () => light(null));
  return made;
}

function short(value) {
  const size = Math.abs(value);
  for (const [limit, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (size >= limit) return Number((value / limit).toPrecision(3)) + letter;
  return size !== 0 && size < 1e-4 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

function bits(value) {
  return Math.abs(value) >= 1000 ? short(value) : value.toFixed(3);
}
