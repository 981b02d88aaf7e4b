// What the reader chose, kept in the address so that a view can be passed on.

const state = readState();

function readState() {
  const given = new URLSearchParams(location.hash.slice(1));
  const sort = new Map();
  for (const part of (given.get("sort") || "").split(",")) {
    const found = /^(\d+)\.(\d+)\.(ascending|descending)$/.exec(part);
    if (found) sort.set(found[1], { column: Number(found[2]), order: found[3] });
  }
  return {
    filter: given.get("filter") || "",
    suite: given.get("suite") || "",
    dataset: given.get("data") || "",
    cost: given.get("cost") || "",
    sort,
  };
}

function keepState() {
  const kept = new URLSearchParams();
  const sort = [...state.sort].map(([board, by]) => `${board}.${by.column}.${by.order}`);
  if (sort.length) kept.set("sort", sort.join(","));
  if (state.filter) kept.set("filter", state.filter);
  if (state.suite) kept.set("suite", state.suite);
  if (state.dataset) kept.set("data", state.dataset);
  if (state.cost) kept.set("cost", state.cost);
  try {
    history.replaceState(null, "", `#${kept}`);
  } catch {
    // A page within a frame may not touch the address; the view works without.
  }
}
