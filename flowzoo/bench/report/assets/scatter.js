// Quality against cost: one point a row, the Gaussian floor as a line.

function drawScatter(figure, board) {
  const select = figure.querySelector("[data-axis]");
  const index = Math.max(0, board.costs.findIndex((cost) => cost.name === select.value));
  const cost = board.costs[index];
  const visible = board.rows.filter((row) => isShown(row));
  const known = visible.filter((row) => !row.floor && cost && row.costs[index] !== null);
  const plot = freshPlot(figure);
  if (!known.length) return plot.append(html("p", "empty", "No row that is shown has this figure."));

  const logarithmic = figure.querySelector("[data-log]").checked;
  const rows = logarithmic ? known.filter((row) => row.costs[index] > 0) : known;
  const left = known.filter((row) => !rows.includes(row)).map((row) => row.name);
  if (left.length) plot.append(html("p", "signs", `Not on a log scale, for want of a figure above zero: ${left.join(", ")}.`));
  if (!rows.length) return;
  const values = rows.map((row) => row.costs[index]);
  const floor = visible.find((row) => row.floor);
  const width = Math.max(280, plot.clientWidth);
  const height = Math.max(300, Math.min(460, width * 0.7));
  const box = { left: 48, right: width - 14, top: 24, bottom: height - 44 };
  const [xLow, xHigh] = widened(values, logarithmic, 0.1);
  const near = new Set(robust(rows.map((row) => row.quality)));
  const quality = rows.filter((row) => near.has(row.quality)).flatMap((row) => [row.quality - (row.error || 0), row.quality + (row.error || 0)]);
  const [yLow, yHigh] = widened(withFloor(quality, floor), false, 0.08);
  const x = scale(xLow, xHigh, box.left, box.right, logarithmic);
  const y = scale(yLow, yHigh, box.bottom, box.top, false);

  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Quality against cost" });
  const wanted = Math.floor((box.right - box.left) / 80);
  const unit = cost.unit ? `${cost.name} [${cost.unit}]` : cost.name;
  axes(svg, box, x, y, ticks(xLow, xHigh, logarithmic, wanted), ticks(yLow, yHigh, false, 6), unit, "bits/dim, lower is better");
  const within = (value) => Math.max(box.top, Math.min(box.bottom, y(value)));
  const points = rows.map((row) => ({
    row,
    name: near.has(row.quality) ? row.name : `${row.name} ↑ ${short(row.quality)}`,
    x: x(row.costs[index]),
    y: within(row.quality),
    top: within(row.quality + (row.error || 0)),
    bottom: within(row.quality - (row.error || 0)),
  }));
  const others = floor ? [drawFloor(svg, box, y, floor, points)] : [];
  if (cost.arrow) drawFront(svg, points.filter((point) => near.has(point.row.quality)), cost.arrow === "↑");
  const placed = new Map(placeLabels(points, { ...box, right: width }, others).map((each) => [each.point, each]));
  for (const point of points) {
    const { row } = point;
    const group = series(row);
    const error = row.error === null ? "" : ` ± ${bits(row.error)}`;
    group.dataset.tip = `${row.name}\n${bits(row.quality)}${error} bits/dim\n${cost.name} ${short(row.costs[index])} ${cost.unit}`;
    group.setAttribute("aria-label", group.dataset.tip);
    if (row.error) group.append(element("line", { class: "error", x1: point.x, x2: point.x, y1: point.bottom, y2: point.top }));
    if (placed.has(point)) drawLabel(group, placed.get(point));
    group.append(mark(point.x, point.y, row.colour));
    svg.append(group);
  }
  plot.prepend(svg);
  legend(plot, rows, (row) => [mark(13, 7, row.colour)]);
  lightUp(figure, plot);
}

// Joins the points that no other beats in both quality and cost.
function drawFront(svg, points, more) {
  const sign = more ? -1 : 1;
  const sorted = [...points].sort((a, b) => sign * (a.x - b.x) || b.y - a.y);
  const front = [];
  for (const point of sorted) if (!front.length || point.y > front.at(-1).y) front.push(point);
  if (front.length < 2) return;
  const path = front.slice(1).map((point) => `H${point.x}V${point.y}`).join("");
  svg.append(element("path", { class: "front", d: `M${front[0].x} ${front[0].y}${path}` }));
}

// A floor far from the rest would leave the rest no room; it is then told in words.
function withFloor(values, floor) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = 1.5 * (high - low);
  const near = floor && floor.quality <= high + room && floor.quality >= low - room;
  return near ? [...values, floor.quality] : values;
}

function drawFloor(svg, box, y, floor, points) {
  const height = Math.max(box.top, Math.min(box.bottom, y(floor.quality)));
  const near = height === y(floor.quality);
  const place = near ? "" : height === box.top ? " (above)" : " (below)";
  if (near) svg.append(element("line", { class: "floor-line", x1: box.left, x2: box.right, y1: height, y2: height }));
  const text = `${floor.name}: the floor, ${bits(floor.quality)}${place}`;
  const label = placeOnLine(text, height, box, points);
  svg.append(element("text", { class: "tick halo", x: label.left, y: label.bottom - 3 }, text));
  return label;
}

function bits(value) {
  return Math.abs(value) >= 1000 ? short(value) : value.toFixed(3);
}
