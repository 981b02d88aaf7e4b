// Validation bits/dim over the seconds of training, a line for each seed.

function drawCurves(figure, board) {
  const known = board.rows.filter((row) => row.curves.length && isShown(row));
  const plot = freshPlot(figure);
  if (!known.length) return plot.append(html("p", "empty", "No row that is shown has a curve; they come with the metric time-to-bpd."));

  const logarithmic = figure.querySelector("[data-log]").checked;
  const rows = known.map((row) => ({ ...row, curves: curvesOf(row, logarithmic) })).filter((row) => row.curves.length);
  const left = known.filter((row) => !rows.some((each) => each.name === row.name)).map((row) => row.name);
  if (left.length) plot.append(html("p", "signs", `Not on a log scale, for want of seconds above zero: ${left.join(", ")}.`));
  if (!rows.length) return;
  const points = rows.flatMap((row) => row.curves.flat());
  const width = Math.max(280, plot.clientWidth);
  const height = Math.max(300, Math.min(460, width * 0.7), Math.min(620, rows.length * LINE + 72));
  const room = Math.min(width * 0.34, Math.max(...rows.map((row) => textWidth(row.name))) + 24);
  const named = width > 440;
  const box = { left: 48, right: width - (named ? room : 14), top: 24, bottom: height - 44 };
  const [yLow, yHigh] = qualities(rows);
  const [xLow, xHigh] = widened(points.map(([seconds]) => seconds), logarithmic, 0.01);
  const x = scale(xLow, xHigh, box.left, box.right, logarithmic);
  const y = scale(yLow, yHigh, box.bottom, box.top, false);

  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Bits/dim over training" });
  const clip = `clip-${figure.dataset.board}`;
  svg.append(element("clipPath", { id: clip }, element("rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top })));
  const wanted = Math.floor((box.right - box.left) / 80);
  axes(svg, box, x, y, ticks(xLow, xHigh, logarithmic, wanted), ticks(yLow, yHigh, false, 6), "seconds of training", "bits/dim, lower is better");

  const ends = rows.map((row) => y(Math.max(yLow, Math.min(yHigh, row.curves[0].at(-1)[1]))));
  // Rows come best first; for whom there is no line left, the legend has to do.
  const lines = named ? Math.min(rows.length, Math.floor((box.bottom - box.top) / LINE) + 1) : 0;
  const heights = spread(ends.slice(0, lines), box.top, box.bottom);
  rows.forEach((row, place) => {
    const group = series(row);
    for (const curve of row.curves) {
      const path = curve.map(([seconds, bits], index) => `${index ? "L" : "M"}${x(seconds).toFixed(1)} ${y(bits).toFixed(1)}`).join("");
      group.append(element("path", { class: "curve", d: path, "stroke-dasharray": dash(row), "clip-path": `url(#${clip})` }));
    }
    const [seconds, bits] = row.curves[0].at(-1);
    group.setAttribute("aria-label", `${row.name}: ${bits.toFixed(3)} bits/dim after ${short(seconds)} s`);
    group.append(mark(x(seconds), ends[place], row.colour));
    if (place < lines) {
      group.append(element("line", { class: "leader", x1: x(seconds) + 6, y1: ends[place], x2: box.right + 12, y2: heights[place] }));
      group.append(element("text", { x: box.right + 15, y: heights[place] + 4 }, fitted(row.name, room - 17)));
    }
    svg.append(group);
  });
  plot.prepend(svg);
  legend(plot, rows, (row) => [
    element("path", { class: "curve", d: "M1 7H25", "stroke-dasharray": dash(row) }),
    mark(13, 7, row.colour),
  ]);
  lightUp(figure, plot);
}

// Curves start far above where they end; the scale is made for the ends, and lines above it are cut off.
function qualities(rows) {
  const all = rows.flatMap((row) => row.curves.flat().map(([, bits]) => bits));
  const ends = robust(rows.map((row) => row.curves[0].at(-1)[1]));
  const low = Math.min(...all);
  const high = Math.max(...ends);
  return widened([low, Math.max(high, Math.min(Math.max(...all), low + 1.4 * (high - low || 0.5)))], false);
}

function curvesOf(row, logarithmic) {
  const curves = logarithmic ? row.curves.map((curve) => curve.filter(([seconds]) => seconds > 0)) : row.curves;
  return curves.filter((curve) => curve.length);
}

function fitted(text, width) {
  let kept = text;
  while (kept.length > 3 && textWidth(kept) > width) kept = `${kept.slice(0, -2)}…`;
  return kept;
}
