/* ---- facets ---- */
function tally(but, values) {
  const counts = new Map();
  for (const row of passing(but)) for (const value of values(row)) counts.set(value, (counts.get(value) || 0) + 1);
  return counts;
}
const aspects = [...new Set(rows.flatMap((row) => row.found.aspects))].sort();
const chips = new Map(aspects.map((aspect) => {
  const count = make("span", { class: "n" });
  const chip = make("button", { type: "button", "aria-pressed": "false", click() {
    if (!chosen.aspects.delete(aspect)) chosen.aspects.add(aspect);
    apply();
  } }, aspect + " ", count);
  $("aspects").append(chip);
  return [aspect, { chip, count }];
}));
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
  const counts = tally("aspects", (row) => row.found.aspects);
  for (const [aspect, { chip, count }] of chips) {
    count.textContent = number(counts.get(aspect) || 0);
    chip.setAttribute("aria-pressed", chosen.aspects.has(aspect));
  }
  selects.forEach((refresh) => refresh());
}
$("search").addEventListener("input", debounce(search, 120));
function search() {
  chosen.words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  apply();
}
$("clear").addEventListener("click", () => {
  Object.assign(chosen, { words: [], package: null, cause: null, container: "", directory: "" });
  chosen.aspects.clear();
  $("search").value = "";
  tree();
  apply();
  $("grid").focus();
});
