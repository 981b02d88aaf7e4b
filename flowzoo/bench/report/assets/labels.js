// Names beside points without lying on each other, and names at the ends of curves.

const LINE = 14;

function textWidth(text) {
  textWidth.context ||= document.createElement("canvas").getContext("2d");
  textWidth.context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return textWidth.context.measureText(text).width;
}

function overlap(a, b) {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

// Tries places around each point, nearest first; a name for which there is none is left to the legend.
function placeLabels(points, box, others) {
  const taken = [...points.map(around), ...others];
  const placed = [];
  for (const point of points) {
    const width = textWidth(point.name);
    for (const place of places(point, width)) {
      const inside = place.left >= box.left && place.right <= box.right && place.top >= box.top && place.bottom <= box.bottom;
      if (!inside || taken.some((other) => overlap(place, other))) continue;
      taken.push(place);
      placed.push({ point, place });
      break;
    }
  }
  return placed;
}

function around({ x, y, top = y, bottom = y }) {
  return { left: x - 7, right: x + 7, top: Math.min(y - 7, top), bottom: Math.max(y + 7, bottom) };
}

// A name on a line across the chart: at either end, above or below, where it hides the least.
function placeOnLine(text, height, box, points) {
  const width = textWidth(text);
  const taken = points.map(around);
  const hidden = (place) => taken.reduce((sum, other) => sum + overlap(place, other), 0);
  const found = [];
  for (const left of [box.right - width, box.left + 4, (box.left + box.right - width) / 2])
    for (const top of [height - LINE - 2, height + 2])
      if (top >= box.top - LINE && top + LINE <= box.bottom) found.push({ left, right: left + width, top, bottom: top + LINE });
  return found.reduce((best, place) => (hidden(place) < hidden(best) ? place : best));
}

function* places({ x, y }, width) {
  for (const away of [9, 20, 32, 46]) {
    for (const [dx, dy] of [[1, 0], [1, -0.7], [1, 0.7], [-1, 0], [-1, -0.7], [-1, 0.7], [0, -1], [0, 1]]) {
      const left = dx > 0 ? x + away : dx < 0 ? x - away - width : x - width / 2;
      const middle = y + dy * (away + (dx ? 0 : 4));
      yield { left, right: left + width, top: middle - LINE / 2, bottom: middle + LINE / 2, away };
    }
  }
}

function drawLabel(group, { point, place }) {
  const near = Math.max(place.left, Math.min(point.x, place.right));
  const middle = (place.top + place.bottom) / 2;
  if (place.away > 9) group.append(element("line", { class: "leader", x1: point.x, y1: point.y, x2: near, y2: middle }));
  group.append(element("text", { class: "halo", x: place.left, y: place.bottom - 3 }, point.name));
}

// Moves heights apart that are closer than a line, keeping their order and within the box.
function spread(heights, top, bottom) {
  const order = heights.map((height, index) => ({ height, index })).sort((a, b) => a.height - b.height);
  const gap = Math.min(LINE, (bottom - top) / Math.max(1, order.length - 1));
  let last = top - gap;
  for (const each of order) last = each.height = Math.max(each.height, last + gap);
  let next = bottom + gap;
  for (const each of order.reverse()) next = each.height = Math.min(each.height, next - gap);
  const moved = [];
  for (const each of order) moved[each.index] = each.height;
  return moved;
}
