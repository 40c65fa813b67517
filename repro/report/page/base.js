const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const ARROW = " → ";

/* Names come from artifacts: they only ever become text nodes and attributes that hold no code. */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const number = (value) => value.toLocaleString("en");
function human(size) {
  if (size < 1000) return `${size} B`;
  for (const unit of ["kB", "MB", "GB"]) {
    size /= 1000;
    if (size < 1000 || unit === "GB") return `${size.toFixed(1)} ${unit}`;
  }
}
function debounce(call, delay) {
  let timer = 0;
  return () => { clearTimeout(timer); timer = setTimeout(call, delay); };
}
const remember = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* a browser that stores nothing */ } },
};

/* ---- theme ---- */
const themes = ["auto", "light", "dark"];
const redrawn = [];
function theme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  $("theme").textContent = `Theme: ${name}`;
  remember.set("repro-theme", name);
  redrawn.forEach((draw) => draw());
}
$("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme || "auto";
  theme(themes[(themes.indexOf(now) + 1) % themes.length]);
});
$("theme").hidden = false;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redrawn.forEach((draw) => draw()));
