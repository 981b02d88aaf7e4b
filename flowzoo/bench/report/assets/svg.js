// Scales, axes and marks of both charts. Text is only ever set as text, never read as markup.

const COLOURS = 8;
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
const SHAPES = ["circle", "square", "triangle", "diamond"];

function element(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function html(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function scale(low, high, from, to, logarithmic) {
  const f = logarithmic ? Math.log10 : (value) => value;
  const [a, b] = [f(low), f(high)];
  return (value) => from + ((f(value) - a) / (b - a || 1)) * (to - from);
}

function widened(values, logarithmic, part = 0.06) {
  const f = logarithmic ? Math.log10 : (value) => value;
  const back = logarithmic ? (value) => 10 ** value : (value) => value;
  const [low, high] = [f(Math.min(...values)), f(Math.max(...values))];
  const margin = (high - low) * part || Math.abs(high) * 0.05 || 0.5;
  return [back(low - margin), back(high + margin)];
}

// A training that failed must not leave the others a line at the bottom: figures far above the median, as
// seen from the best, are drawn at the edge.
function robust(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)];
  const limit = median + Math.max(1, 6 * (median - sorted[0]));
  return values.filter((value) => value <= limit);
}

function ticks(low, high, logarithmic, wanted) {
  if (logarithmic) {
    const all = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
      for (const digit of [1, 2, 5]) all.push(digit * 10 ** power);
    const inside = all.filter((value) => value >= low && value <= high);
    const tens = inside.filter((value) => Math.abs(Math.log10(value) % 1) < 1e-9);
    if (high / low < 10) return ticks(low, high, false, wanted);
    if (inside.length <= wanted && inside.length > 1) return inside;
    if (tens.length > 1) return tens.filter((_, index) => index % Math.ceil(tens.length / wanted) === 0);
    return inside;
  }
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((each) => each >= rough);
  const found = [];
  for (let index = Math.ceil(low / step); index * step <= high; index++) found.push(Number((index * step).toPrecision(12)));
  return found;
}

function short(value) {
  const size = Math.abs(value);
  for (const [limit, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (size >= limit) return Number((value / limit).toPrecision(3)) + letter;
  return size !== 0 && size < 1e-4 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

// Ticks that would read the same in short are written out.
function tickTexts(values) {
  const texts = values.map(short);
  return new Set(texts).size === texts.length ? texts : values.map((value) => String(Number(value.toPrecision(6))));
}

function axes(svg, box, x, y, xs, ys, xTitle, yTitle) {
  const [xTexts, yTexts] = [tickTexts(xs), tickTexts(ys)];
  for (const [index, value] of ys.entries()) {
    svg.append(element("line", { class: "grid", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }));
    svg.append(element("text", { class: "tick", x: box.left - 6, y: y(value) + 4, "text-anchor": "end" }, yTexts[index]));
  }
  for (const [index, value] of xs.entries()) {
    svg.append(element("line", { class: "grid", x1: x(value), x2: x(value), y1: box.top, y2: box.bottom }));
    svg.append(element("text", { class: "tick", x: x(value), y: box.bottom + 17, "text-anchor": "middle" }, xTexts[index]));
  }
  const middle = (box.left + box.right) / 2;
  svg.append(element("text", { class: "title", x: middle, y: box.bottom + 36, "text-anchor": "middle" }, xTitle));
  svg.append(element("text", { class: "title", x: 4, y: 12 }, yTitle));
}

function mark(x, y, index) {
  // Neighbours differ in shape too, and the same colour comes again with another shape.
  const shape = SHAPES[(index + Math.floor(index / COLOURS)) % SHAPES.length];
  const made = {
    circle: () => element("circle", { cx: x, cy: y, r: 5 }),
    square: () => element("rect", { x: x - 4.5, y: y - 4.5, width: 9, height: 9 }),
    triangle: () => element("path", { d: `M${x} ${y - 6}L${x + 5.5} ${y + 4}H${x - 5.5}Z` }),
    diamond: () => element("path", { d: `M${x} ${y - 6.5}L${x + 6} ${y}L${x} ${y + 6.5}L${x - 6} ${y}Z` }),
  }[shape]();
  made.classList.add("mark");
  return made;
}

function series(row) {
  const made = element("g", { class: `series c${row.colour % COLOURS}`, tabindex: 0, role: "img", "aria-label": row.name });
  made.dataset.row = row.name;
  return made;
}

function dash(row) {
  return DASHES[Math.floor(row.colour / COLOURS) % DASHES.length];
}

function legend(plot, rows, symbol) {
  const list = html("ul", "legend");
  for (const row of rows) {
    const entry = html("li", `c${row.colour % COLOURS}`);
    entry.dataset.row = row.name;
    const picture = element("svg", { viewBox: "0 0 26 14", "aria-hidden": "true" }, ...symbol(row));
    entry.append(picture, html("span", "", row.name));
    list.append(entry);
  }
  plot.append(list);
}

// Pointing at a series, at its label or in the legend lets it stand out, and its row in the table.
function lightUp(figure, plot) {
  const board = figure.closest(".board");
  const tip = plot.querySelector(".tip");
  const light = (part) => {
    const name = part ? part.dataset.row : null;
    for (const each of board.querySelectorAll(".plot > svg")) each.classList.toggle("dimmed", part !== null);
    for (const each of board.querySelectorAll(".series, .legend li, tbody tr"))
      each.classList.toggle("lit", name !== null && each.dataset.row === name);
    tip.hidden = !part || !part.dataset.tip;
    if (tip.hidden) return;
    tip.textContent = part.dataset.tip;
    const [outer, inner] = [plot.getBoundingClientRect(), part.querySelector(".mark, .curve").getBoundingClientRect()];
    const left = inner.right - outer.left + 8;
    tip.style.left = `${Math.max(0, Math.min(left, outer.width - tip.offsetWidth))}px`;
    tip.style.top = `${Math.max(0, inner.top - outer.top - tip.offsetHeight - 4)}px`;
  };
  for (const part of plot.querySelectorAll(".series, .legend li")) {
    part.addEventListener("pointerenter", () => light(part));
    part.addEventListener("pointerleave", () => light(null));
    part.addEventListener("focus", () => light(part));
    part.addEventListener("blur", () => light(null));
  }
}
