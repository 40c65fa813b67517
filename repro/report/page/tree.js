/* ---- tree of containers ---- */
const MOST = 200; // children shown of one container
const root = { key: "", name: "The whole artifact", level: 1, count: 0, children: new Map(), open: true };
for (const row of rows) {
  let node = root;
  node.count += 1;
  for (const [index, name] of row.found.at.slice(0, -1).entries()) {
    if (!node.children.has(name)) {
      const key = node.key + name + "\0";
      node.children.set(name, { key, name, level: index + 2, count: 0, children: new Map(), parent: node });
    }
    node = node.children.get(name);
    node.count += 1;
  }
}
let current = root; // the item of the tree that Tab reaches
function* visible(node, position = 1, set = 1) {
  yield [node, position, set];
  if (!node.open) return;
  const children = [...node.children.values()].sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
  for (const [index, child] of children.slice(0, MOST).entries()) yield* visible(child, index + 1, children.length);
}
function tree(focus = false) {
  const items = [...visible(root)].map(([node, position, set]) => {
    const item = make("li", {
      role: "treeitem", "aria-level": node.level, "aria-posinset": position, "aria-setsize": set,
      "aria-expanded": node.children.size ? String(Boolean(node.open)) : null,
      "aria-selected": String(chosen.container === node.key), tabindex: node === current ? 0 : -1,
      "aria-label": `${node.name}, ${number(node.count)}`,
      click(event) {
        if (event.target.closest(".twist")) node.open = !node.open;
        else select(node);
        current = node;
        tree(true);
      },
    }, make("span", { class: "twist", "aria-hidden": "true" }, node.children.size ? (node.open ? "▾" : "▸") : ""),
    make("bdi", {}, ...breaking(node.name)), make("span", { class: "n" }, number(node.count)));
    item.style.setProperty("--level", node.level - 1);
    if (node === current && focus) queueMicrotask(() => item.focus());
    return item;
  });
  $("tree").replaceChildren(...items);
}
function select(node) {
  chosen.container = node.key;
  chosen.directory = "";
  apply();
}
$("tree").addEventListener("keydown", (event) => {
  const nodes = [...visible(root)].map(([node]) => node);
  const at = nodes.indexOf(current);
  const moves = {
    ArrowDown: () => { current = nodes[at + 1] || current; },
    ArrowUp: () => { current = nodes[at - 1] || current; },
    Home: () => { current = root; },
    End: () => { current = nodes[nodes.length - 1]; },
    ArrowRight: () => {
      if (current.children.size && !current.open) current.open = true;
      else if (current.children.size) current = nodes[at + 1];
    },
    ArrowLeft: () => {
      if (current.open && current.children.size) current.open = false;
      else current = current.parent || current;
    },
    Enter: () => select(current),
    " ": () => select(current),
  };
  if (!moves[event.key]) return;
  event.preventDefault();
  moves[event.key]();
  tree(true);
});
