/* ---- details ---- */
const details = $("details");
const LINES = 2000;
const RANGES = 200;
let described = -1;
let back = null; // where the focus was
function open(index) {
  if (!shown[index]) return;
  if (!details.open) {
    back = document.activeElement === document.body ? $("grid") : document.activeElement;
    if (matchMedia("(max-width: 1100px)").matches) details.showModal();
    else details.show();
  }
  describe(index);
  list();
  $("details-title").focus({ preventScroll: true });
}
function describe(index) {
  const row = shown[index];
  described = index;
  $("details-number").textContent = `Divergence ${number(index + 1)} of ${number(shown.length)}`;
  $("previous").disabled = index === 0;
  $("next").disabled = index === shown.length - 1;
  $("details-title").replaceChildren(make("bdi", {}, ...breaking(row.found.at.at(-1) ?? "the artifact itself")));
  $("details-body").replaceChildren(...sections(row));
  details.scrollTop = 0;
  try { history.replaceState(null, "", `#d=${row.number}`); } catch { /* a page that has no address */ }
}
function close() {
  if (!details.open) return;
  details.close();
}
details.addEventListener("close", () => {
  try { history.replaceState(null, "", "#"); } catch { /* a page that has no address */ }
  list();
  (back?.isConnected ? back : $("grid")).focus({ preventScroll: true });
});
$("close").addEventListener("click", close);
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
function step(by) {
  move(described + by);
  describe(active);
}
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && details.open && !event.defaultPrevented) { event.preventDefault(); close(); }
});
function* sections({ found, number: nth, key }) {
  if (found.at.length > 1) {
    yield make("p", { class: "within" }, "in ", ...found.at.slice(0, -1).flatMap((part, index) => (
      [index ? ARROW : null, make("bdi", {}, part)])));
  }
  yield make("p", {}, ...found.aspects.flatMap((aspect) => [make("span", { class: "tag" }, aspect), " "]));
  if (found.standing) yield* standing(found.standing);
  if (found.package) yield make("p", {}, "Package: ", make("b", {}, make("bdi", {}, found.package)));
  yield* causes(found.causes || (found.cause ? [[found.cause, "", [], ""]] : []));
  for (const reason of notes.get(key) || []) yield make("p", { class: "notice" }, `Not examined: ${reason}`);
  yield copying(found, nth);
  if (found.left || found.right) yield facts(found);
  if (found.detail) yield* explanation(found.detail);
  if (found.ranges) yield ranges(found.ranges);
}
function* causes(all) {
  for (const [label, confidence, evidence, remedy] of all) {
    yield make("p", {}, "Cause: ", make("b", {}, make("bdi", {}, label)), confidence ? ` (confidence: ${confidence})` : null);
    if (evidence.length) yield make("ul", {}, ...evidence.map((said) => make("li", {}, make("bdi", {}, said))));
    if (remedy) yield make("p", {}, "Remedy: ", make("bdi", {}, remedy));
  }
}
function* standing(said) {
  yield make("p", {}, "Baseline: ", badge(said), said.why ? ` ${said.why}` : null);
  if (said.reason) yield make("p", {}, `Reason: ${said.reason} (${said.owner}, until ${said.expires})`);
}
function copying(found, nth) {
  const said = make("span", { role: "status" });
  const button = make("button", { type: "button", class: "copy", async click() {
    const text = found.at.join(ARROW);
    try { await navigator.clipboard.writeText(text); said.textContent = "Copied"; }
    catch { said.textContent = "The browser does not allow it"; }
  } }, "Copy location");
  return make("p", { class: "actions" }, button, make("a", { href: `#d=${nth}` }, "Link to this"), said);
}
function table(caption, heads, body) {
  return make("div", { class: "wide", tabindex: 0, role: "region", "aria-label": caption }, make("table", {},
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...body)));
}
const CLOCKS = new Set(["mtime", "ctime", "atime", "crtime"]);
function fact(name, value) {
  if (value === undefined) return make("span", { class: "none" }, "(none)");
  if (typeof value !== "number") return make("bdi", {}, value);
  if (name === "size") return `${number(value)} bytes`;
  const date = CLOCKS.has(name) ? new Date(value * 1000) : null;
  if (!date || Number.isNaN(date.getTime())) return String(value);
  return `${value} (${date.toISOString().slice(0, 19).replace("T", " ")} UTC)`;
}
function facts({ left, right }) {
  const names = [...new Set([...Object.keys(left || {}), ...Object.keys(right || {})])].sort();
  const side = (held, name) => (held ? make("td", {}, fact(name, held[name])) : make("td", { class: "none" }, "absent"));
  const body = names.map((name) => make("tr", {}, make("th", { scope: "row" }, name), side(left, name), side(right, name)));
  if (!names.length) body.push(make("tr", {}, make("th", { scope: "row" }, "member"),
    make("td", {}, left ? "there" : "absent"), make("td", {}, right ? "there" : "absent")));
  const wide = table("Left → right", ["Fact", "Left", "Right"], body);
  wide.classList.add("facts");
  return wide;
}
function* explanation(detail) {
  const all = detail.replace(/\n$/, "").split("\n");
  let start = all.findIndex((text) => /^(@@|---)/.test(text));
  if (start < 0) start = all.length;
  if (start) yield make("p", {}, all.slice(0, start).join("\n"));
  if (start === all.length) return;
  const kinds = { "+": "added", "-": "removed", "@": "hunk" };
  const lined = (text) => make("span", { class: kinds[text[0]] || "same" }, text + "\n");
  const code = make("code", {}, ...all.slice(start, start + LINES).map(lined));
  yield make("h3", {}, "Text diff");
  yield make("pre", { class: "diff", tabindex: 0, role: "region", "aria-label": "Text diff" }, code);
  const rest = all.slice(start + LINES);
  if (rest.length) {
    const more = make("button", { type: "button", click() { code.append(...rest.map(lined)); more.remove(); } },
      `Show ${number(rest.length)} more lines`);
    yield more;
  }
}
function ranges(found) {
  const row = ([side, start, end, structure]) => make("tr", {}, make("th", { scope: "row" }, make("bdi", {}, structure)),
    make("td", {}, side), make("td", {}, number(start)), make("td", {}, number(end)), make("td", {}, number(end - start)));
  const part = table("Bytes that differ, by offset", ["Structure", "Side", "From", "To", "Bytes"], found.slice(0, RANGES).map(row));
  part.classList.add("ranges");
  const rest = found.slice(RANGES);
  if (rest.length) {
    const more = make("button", { type: "button", click() {
      part.querySelector("tbody").append(...rest.map(row));
      more.remove();
    } }, `Show ${number(rest.length)} more ranges`);
    part.append(more);
  }
  return part;
}
function follow() {
  const match = /^#d=(\d+)$/.exec(location.hash);
  if (!match) return;
  const row = rows.find((each) => each.number === Number(match[1]));
  if (!row) return;
  if (!shown.includes(row)) $("clear").click();
  const index = shown.indexOf(row);
  move(index);
  open(index);
}
addEventListener("hashchange", follow);
