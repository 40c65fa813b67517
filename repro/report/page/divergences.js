/* ---- divergences ---- */
const sizeOf = (facts) => (facts && typeof facts.size === "number" ? facts.size : null);
function sizes(left, right) {
  if (left === null || right === null) return left === right ? "" : human(left ?? right);
  if (left === right) return human(left);
  return `${human(left)} ${right > left ? "+" : "−"}${human(Math.abs(right - left))}`;
}
/* A name that may break after its slashes. */
const breaking = (name) => name.split(/(?<=\/)/).flatMap((part) => [part, make("wbr")]);
const rows = data.divergences.map((found, index) => {
  const path = found.at.join("/");
  const [left, right] = [sizeOf(found.left), sizeOf(found.right)];
  return {
    found, path,
    number: index + 1,
    directory: path + "/",
    key: found.at.join("\0") + "\0",
    size: Math.max(left ?? -1, right ?? -1),
    sizes: sizes(left, right),
    text: [path, found.at.join(ARROW), found.package, found.cause].join("\n").toLowerCase(),
  };
});
const notes = new Map();
for (const { at, reason } of data.unexamined) {
  const key = at.join("\0") + "\0";
  notes.set(key, [...(notes.get(key) || []), reason]);
}

const chosen = { words: [], aspects: new Set(), standings: new Set(), package: null, cause: null, container: "", directory: "" };
const NONE = ""; // of a package or a cause: nothing is known
const filters = {
  words: (row) => chosen.words.every((word) => row.text.includes(word)),
  aspects: (row) => !chosen.aspects.size || row.found.aspects.some((aspect) => chosen.aspects.has(aspect)),
  standings: (row) => !chosen.standings.size || chosen.standings.has(row.found.standing?.state),
  package: (row) => chosen.package === null || (row.found.package ?? NONE) === chosen.package,
  cause: (row) => chosen.cause === null || (row.found.cause ?? NONE) === chosen.cause,
  place: (row) => row.key.startsWith(chosen.container) && row.directory.startsWith(chosen.directory),
};
const passing = (but) => {
  const tests = Object.keys(filters).filter((name) => name !== but).map((name) => filters[name]);
  return rows.filter((row) => tests.every((test) => test(row)));
};
const order = { by: "path", up: true };
const sorters = {
  path: (a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.number - b.number),
  size: (a, b) => a.size - b.size || sorters.path(a, b),
};
rows.sort(sorters.path);
let shown = rows;

function apply() {
  shown = passing().sort(sorters[order.by]);
  if (!order.up) shown.reverse();
  active = 0;
  $("scroller").scrollTop = 0;
  const all = rows.length;
  $("count").textContent = shown.length === all ? `${number(all)} ${all === 1 ? "divergence" : "divergences"}`
    : `${number(shown.length)} of ${number(all)} divergences`;
  $("clear").hidden = shown.length === all && !chosen.container && !chosen.directory && !$("search").value;
  facets();
  bars();
  list();
}
