/* ---- divergences by directory ---- */
const BARS = 12;
/* The directories below `directory`, the largest opened again and again as long as that gives few enough bars. */
function frontier(directory) {
  let groups = under(directory, shown);
  for (;;) {
    groups.sort((a, b) => b.rows.length - a.rows.length || (a.name < b.name ? -1 : 1));
    const most = groups.find((group) => group.inner);
    const opened = most && under(most.name, most.rows);
    if (!opened || groups.length - 1 + opened.length > BARS) return groups;
    groups = groups.filter((group) => group !== most).concat(opened);
  }
}
function under(directory, among) {
  const groups = new Map();
  for (const row of among) {
    const cut = row.path.indexOf("/", directory.length);
    const inner = cut >= 0 && row.path.length > directory.length;
    const name = inner ? row.path.slice(0, cut + 1) : row.path;
    if (!groups.has(name)) groups.set(name, { name, inner, rows: [] });
    groups.get(name).rows.push(row);
  }
  return [...groups.values()];
}
function bars() {
  const from = chosen.directory;
  crumbs(from);
  const groups = frontier(from);
  const most = Math.max(1, ...groups.map((group) => group.rows.length));
  const items = groups.slice(0, BARS).map(({ name, inner, rows: held }) => {
    const fill = make("span", { class: "fill", "aria-hidden": "true" });
    fill.style.width = `${(100 * held.length) / most}%`;
    return make("li", {}, make("button", { type: "button", click() {
      if (!inner) return open(shown.indexOf(held[0]));
      chosen.directory = name;
      apply();
      $("bars").querySelector("button")?.focus();
    } }, fill, make("bdi", {}, ...breaking(name.slice(from.length) || "the artifact itself")),
    make("span", { class: "n" }, number(held.length))));
  });
  if (groups.length > BARS) {
    const rest = groups.slice(BARS).reduce((sum, group) => sum + group.rows.length, 0);
    items.push(make("li", { class: "hint" }, `… and ${number(rest)} in ${number(groups.length - BARS)} more`));
  }
  $("bars").replaceChildren(...items);
}
function crumbs(from) {
  const names = from.split("/").slice(0, -1);
  const items = ["all", ...names].map((name, index) => make("button", {
    type: "button", class: "quiet", "aria-current": index === names.length ? "true" : null,
    click() { chosen.directory = names.slice(0, index).map((part) => part + "/").join(""); apply(); },
  }, make("bdi", {}, name || "/")));
  $("crumbs").replaceChildren(...items);
}
