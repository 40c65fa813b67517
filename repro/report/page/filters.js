/* ---- facets ---- */
function tally(but, values) {
  const counts = new Map();
  for (const row of passing(but)) for (const value of values(row)) counts.set(value, (counts.get(value) || 0) + 1);
  return counts;
}
const STATES = ["new", "worse", "expired", "known"];
const chips = [
  ["aspects", (row) => row.found.aspects, (a, b) => (a < b ? -1 : 1)],
  ["standings", (row) => (row.found.standing ? [row.found.standing.state] : []), (a, b) => STATES.indexOf(a) - STATES.indexOf(b)],
].map(([name, of, before]) => {
  const made = [...new Set(rows.flatMap(of))].sort(before).map((value) => {
    const count = make("span", { class: "n" });
    const chip = make("button", { type: "button", "aria-pressed": "false", click() {
      if (!chosen[name].delete(value)) chosen[name].add(value);
      apply();
    } }, value + " ", count);
    $(name).append(chip);
    return { value, chip, count };
  });
  return () => {
    const counts = tally(name, of);
    for (const { value, chip, count } of made) {
      count.textContent = number(counts.get(value) || 0);
      chip.setAttribute("aria-pressed", chosen[name].has(value));
    }
  };
});
$("standing-field").hidden = !rows.some((row) => row.found.standing);
const selects = ["package", "cause"].map((name) => {
  const of = (row) => [row.found[name] ?? NONE];
  const counts = tally(name, of);
  const known = [...counts.keys()].filter((value) => value !== NONE).sort();
  const values = [null, ...known, ...(counts.has(NONE) ? [NONE] : [])];
  const options = values.map((value, index) => make("option", { value: index }));
  $(name).append(...options);
  $(`${name}-field`).hidden = !known.length;
  $(name).addEventListener("change", () => { chosen[name] = values[$(name).value]; apply(); });
  return () => {
    const now = tally(name, of);
    options.forEach((option, index) => {
      const value = values[index];
      option.textContent = value === null ? "all" : `${value || "(not known)"} (${number(now.get(value) || 0)})`;
    });
    $(name).value = values.indexOf(chosen[name]);
  };
});
function facets() {
  [...chips, ...selects].forEach((refresh) => refresh());
}
$("search").addEventListener("input", debounce(search, 120));
function search() {
  chosen.words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  apply();
}
$("clear").addEventListener("click", () => {
  Object.assign(chosen, { words: [], package: null, cause: null, container: "", directory: "" });
  chosen.aspects.clear();
  chosen.standings.clear();
  $("search").value = "";
  tree();
  apply();
  $("grid").focus();
});
