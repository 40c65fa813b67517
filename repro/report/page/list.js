/* ---- the list: only the rows in sight are in the document ---- */
const SPARE = 8;
let active = 0;
const narrow = matchMedia("(max-width: 760px)");
const height = () => (narrow.matches ? 76 : 52);
function list() {
  const scroller = $("scroller");
  const tall = height();
  $("rows").style.height = `${shown.length * tall}px`;
  const first = Math.max(0, Math.floor(scroller.scrollTop / tall) - SPARE);
  const last = Math.min(shown.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / tall) + SPARE);
  const made = [];
  for (let index = first; index < last; index += 1) made.push(line(shown[index], index, tall));
  $("rows").replaceChildren(...made);
  $("grid").setAttribute("aria-rowcount", shown.length + 1);
  if (active >= first && active < last) $("grid").setAttribute("aria-activedescendant", `row-${shown[active].number}`);
  else $("grid").removeAttribute("aria-activedescendant");
}
function line(row, index, tall) {
  const { at, aspects: kinds, package: owner, cause, standing } = row.found;
  const whole = at.at(-1) ?? "the artifact itself";
  const cut = whole.lastIndexOf("/") + 1;
  const cell = (name, ...children) => make("div", { role: "gridcell", class: name }, ...children);
  const node = make("div", {
    role: "row", id: `row-${row.number}`, class: details.open && index === active ? "open" : null, "aria-rowindex": index + 2, "aria-selected": String(index === active),
    click() { move(index); open(index); },
  },
  cell("path", make("span", { class: "file" }, make("bdi", { class: "folder" }, whole.slice(0, cut)),
    make("bdi", { class: "leaf" }, whole.slice(cut))),
  at.length > 1 ? make("bdi", { class: "container" }, "in " + at.slice(0, -1).join(ARROW)) : null),
  cell("aspects", ...(standing ? [badge(standing), " "] : []), ...kinds.flatMap((kind) => [make("span", { class: "tag" }, kind), " "])),
  cell("package", make("bdi", {}, owner || "")), cell("cause", make("bdi", {}, cause || "")), cell("size", row.sizes));
  node.style.transform = `translateY(${index * tall}px)`;
  return node;
}
function badge({ state }) {
  return make("span", { class: `tag ${state}` }, state);
}
function move(index) {
  active = Math.max(0, Math.min(shown.length - 1, index));
  const scroller = $("scroller");
  const tall = height();
  const top = active * tall;
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  if (top + tall > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + tall - scroller.clientHeight;
  list();
}
let frame = 0;
$("scroller").addEventListener("scroll", () => { cancelAnimationFrame(frame); frame = requestAnimationFrame(list); });
$("grid").addEventListener("keydown", (event) => {
  if (event.target !== $("grid") || event.ctrlKey || event.metaKey || event.altKey) return;
  const page = Math.max(1, Math.floor($("scroller").clientHeight / height()) - 1);
  const moves = {
    ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page,
    Home: 0, End: shown.length - 1,
  };
  if (event.key in moves) {
    move(moves[event.key]);
    if (details.open) describe(active);
  } else if (event.key === "Enter" || event.key === " ") open(active);
  else return;
  event.preventDefault();
});
for (const button of document.querySelectorAll("[data-sort]")) {
  button.addEventListener("click", () => {
    const by = button.dataset.sort;
    Object.assign(order, { by, up: order.by === by ? !order.up : by === "path" });
    for (const other of document.querySelectorAll("[data-sort]")) {
      const state = other.dataset.sort !== order.by ? "none" : order.up ? "ascending" : "descending";
      other.parentElement.setAttribute("aria-sort", state);
    }
    apply();
  });
}
narrow.addEventListener("change", () => move(active));
addEventListener("resize", debounce(list, 100));
