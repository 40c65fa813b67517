/* ---- map of bytes ---- */
const FAMILIES = [
  ["unmapped", /unmapped/i],
  ["padding", /padding|zeros|slack|free|unused/i],
  ["nested containers", /nested/i],
  ["boot and partitions", /^(?!directory ).*\b(MBR|GPT|partition|boot|El Torito|HFS)/i],
  ["directories and inodes", /director|inode|path table|record|entry|FAT|fragment table|xattr|\bid\b|export/i],
  ["file contents", /content|data|fragment|block/i],
  ["descriptors and headers", /volume|descriptor|super|header|sector|label|serial/i],
  ["other structures", /(?:)/],
];
function family(name) {
  const last = name.split(ARROW).pop();
  return FAMILIES.findIndex(([, pattern]) => pattern.test(last));
}
function map(picture) {
  const kinds = picture.structures.map(family);
  const sides = ["left", "right"].map((name, index) => ({
    name, index, at: 0, size: data.sizes[index],
    cells: picture[name].flatMap(([count, structure, differing]) => Array(count).fill({ structure, differing })),
  }));
  $("map-hint").textContent = `Each cell is ${human(picture.cell)} of an artifact, from its first byte to its last. `
    + "Pale cells are equal on both sides; strong cells with a stroke differ.";
  legend(sides, kinds, picture.cell);
  for (const side of sides) {
    const label = side.name === "left" ? "Left" : "Right";
    const differing = side.cells.filter((cell) => cell.differing).length;
    side.canvas = make("canvas", {
      role: "slider", tabindex: 0, "aria-label": `Map of the ${side.name} artifact, cell`, "aria-orientation": "horizontal",
      "aria-valuemin": 0, "aria-valuemax": Math.max(0, side.cells.length - 1), "aria-valuenow": 0,
      focus: () => point(side, side.at), pointermove: (event) => hover(side, event), pointerdown: (event) => hover(side, event),
      keydown: (event) => keyed(side, event),
    });
    $("map-sides").append(make("figure", {}, make("figcaption", {}, make("b", {}, label),
      ` ${number(side.cells.length)} cells, ${number(differing)} of them differ`), side.canvas));
  }
  const draw = () => paint(sides, kinds);
  $("map").hidden = false;
  redrawn.push(draw);
  addEventListener("resize", debounce(draw, 100));
  sides.forEach((side) => side.cells.length && side.canvas.setAttribute("aria-valuetext", reading(side, 0)));
  asTable(picture, sides);
  draw();

  function reading(side, at) {
    const cell = side.cells[at];
    const start = at * picture.cell;
    const end = Math.min(start + picture.cell, side.size ?? Infinity);
    const bytes = cell.differing ? `${number(cell.differing)} ${cell.differing === 1 ? "byte differs" : "bytes differ"}`
      : "equal on both sides";
    return `${side.name}, bytes ${number(start)} to ${number(end)}: ${picture.structures[cell.structure] ?? "unknown"}, ${bytes}`;
  }
  function point(side, at) {
    if (!side.cells.length) return;
    side.at = Math.max(0, Math.min(side.cells.length - 1, at));
    sides.forEach((other) => { other.marked = other === side ? side.at : null; });
    const text = reading(side, side.at);
    side.canvas.setAttribute("aria-valuenow", side.at);
    side.canvas.setAttribute("aria-valuetext", text);
    $("map-readout").textContent = text;
    draw();
  }
  function hover(side, event) {
    const column = Math.floor(event.offsetX / side.pixel);
    const at = Math.floor(event.offsetY / side.pixel) * side.columns + column;
    if (column < side.columns && at < side.cells.length && at !== side.marked) point(side, at);
  }
  function keyed(side, event) {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: side.columns, ArrowUp: -side.columns }[event.key];
    const seek = (by) => {
      let at = side.at + by;
      while (side.cells[at] && !side.cells[at].differing) at += by;
      return side.cells[at] ? at : side.at;
    };
    if (step) point(side, side.at + step);
    else if (event.key === "Home") point(side, 0);
    else if (event.key === "End") point(side, side.cells.length - 1);
    else if (event.key === "n") point(side, seek(1));
    else if (event.key === "p") point(side, seek(-1));
    else return;
    event.preventDefault();
  }
}
function legend(sides, kinds, size) {
  const bytes = FAMILIES.map(() => 0);
  for (const { structure } of sides.flatMap((side) => side.cells)) bytes[kinds[structure]] += size / 2;
  FAMILIES.forEach(([name], index) => {
    if (bytes[index]) $("map-legend").append(make("li", {}, make("span", { class: `swatch f${index}`, "aria-hidden": "true" }), name));
  });
  $("map-legend").append(make("li", {}, make("span", { class: "swatch differs", "aria-hidden": "true" }), "differs"));
}
function paint(sides, kinds) {
  const ink = getComputedStyle(document.body).color;
  const accent = getComputedStyle($("map-readout")).borderLeftColor;
  const colours = FAMILIES.map((_, index) => {
    const swatch = $("map-legend").querySelector(`.f${index}`);
    return swatch ? getComputedStyle(swatch).color : ink;
  });
  const most = Math.max(1, ...sides.map((side) => side.cells.length));
  const width = $("map-sides").clientWidth;
  const pixel = Math.max(3, Math.min(16, Math.floor(Math.sqrt((width * 240) / most))));
  const columns = Math.max(1, Math.floor(width / pixel));
  const gap = pixel >= 6 ? 1 : 0;
  for (const side of sides) {
    const { canvas, cells } = side;
    Object.assign(side, { pixel, columns });
    const [w, h] = [columns * pixel, Math.max(1, Math.ceil(cells.length / columns)) * pixel];
    const scale = devicePixelRatio || 1;
    Object.assign(canvas, { width: Math.round(w * scale), height: Math.round(h * scale) });
    canvas.style.width = `${w}px`;
    canvas.style.height = `${h}px`;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.lineWidth = Math.max(1, pixel / 7);
    cells.forEach(({ structure, differing }, at) => {
      const [x, y, edge] = [(at % columns) * pixel, Math.floor(at / columns) * pixel, pixel - gap];
      pen.globalAlpha = differing ? 1 : 0.3;
      pen.fillStyle = colours[kinds[structure]] || ink;
      pen.fillRect(x, y, edge, edge);
      pen.globalAlpha = 1;
      if (differing) {
        pen.strokeStyle = ink;
        pen.beginPath();
        pen.moveTo(x + 1, y + edge - 1);
        pen.lineTo(x + edge - 1, y + 1);
        pen.stroke();
      }
      if (at === side.marked) {
        pen.strokeStyle = accent;
        pen.strokeRect(x, y, edge, edge);
      }
    });
  }
}
function asTable(picture, sides) {
  const sums = picture.structures.map((name) => ({ name, cells: [0, 0], differing: [0, 0], bytes: [0, 0] }));
  for (const side of sides) {
    for (const { structure, differing } of side.cells) {
      const sum = sums[structure];
      if (!sum) continue;
      sum.cells[side.index] += 1;
      sum.differing[side.index] += differing ? 1 : 0;
      sum.bytes[side.index] += differing;
    }
  }
  const weight = ({ bytes }) => bytes[0] + bytes[1];
  sums.sort((a, b) => weight(b) - weight(a) || (a.name < b.name ? -1 : 1));
  const pair = ([left, right]) => (left === right ? number(left) : number(left) + ARROW + number(right));
  const body = sums.slice(0, MOST).map((sum) => make("tr", {}, make("th", { scope: "row" }, make("bdi", {}, sum.name)),
    make("td", {}, pair(sum.cells)), make("td", {}, pair(sum.differing)), make("td", {}, pair(sum.bytes))));
  const heads = ["Structure", "Cells", "Cells that differ", "Bytes that differ"];
  $("map-table").lastElementChild.replaceWith(table("The map by structure", heads, body));
}
