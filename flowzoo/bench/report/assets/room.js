// Room on a chart: how far its axes go, and names that do not lie on each other.

const LINE = 14;
const PLACES = [[1, 0], [-1, 0], [0, -1], [0, 1], [1, -0.8], [-1, -0.8], [1, 0.8], [-1, 0.8]];

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

// A floor far from the rest would leave the rest no room; it is then told in words.
function withFloor(values, floor) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = 1.5 * (high - low);
  const near = floor && floor.quality <= high + room && floor.quality >= low - room;
  return near ? [...values, floor.quality] : values;
}

// Curves start far above where they end; the axis is made for the ends, and lines above it are cut off.
function ofEnds(lines, ends) {
  const all = lines.map((each) => each.value);
  const low = Math.min(...all);
  const high = Math.max(...robust(ends.map((each) => each.value)));
  return widened([low, Math.max(high, Math.min(Math.max(...all), low + 1.4 * (high - low || 0.5)))], false);
}

function textWidth(text) {
  textWidth.context ||= document.createElement("canvas").getContext("2d");
  textWidth.context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return textWidth.context.measureText(text).width;
}

// Names beside their points, and what is said of the floor at either end of its line. A name that finds no
// room stands in the legend alone.
function labelled(points, floor, box) {
  const taken = points.map(({ x, y }) => [x - 7, y - 7, x + 7, y + 7]);
  const found = [];
  const far = (point, area) => Math.hypot(Math.max(area[0] - point.x, 0, point.x - area[2]), Math.max(area[1] - point.y, 0, point.y - area[3]));
  const place = (text, width, x, y, own) => {
    const area = [x - width / 2, y - LINE / 2, x + width / 2, y + LINE / 2];
    if (area[0] < box.left || area[2] > box.right + 14 || area[1] < box.top - LINE || area[3] > box.bottom) return false;
    if (taken.some((other) => area[0] < other[2] && other[0] < area[2] && area[1] < other[3] && other[1] < area[3])) return false;
    // A name belongs to the mark that is nearest to it.
    if (own && points.some((other) => other !== own && far(other, area) < far(own, area))) return false;
    taken.push(area);
    found.push({ text, x, y });
    return true;
  };
  if (floor) {
    const width = textWidth(floor.text);
    const ends = [box.right - width / 2, box.left + 4 + width / 2, floor.x];
    const heights = [floor.y - LINE / 2 - 2, floor.y + LINE / 2 + 2, floor.y - 2 * LINE, floor.y + 2 * LINE];
    heights.some((y) => ends.some((x) => place(floor.text, width, x, y)));
  }
  for (const point of points) {
    const { x, y, text } = point;
    const width = textWidth(text);
    PLACES.some(([dx, dy]) => place(text, width, x + dx * (9 + width / 2), y + dy * (dx ? LINE : LINE + 2), point));
  }
  return found;
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
