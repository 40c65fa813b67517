/* ---- begin ---- */
document.documentElement.classList.add("scripted");
theme(themes.includes(remember.get("repro-theme")) ? remember.get("repro-theme") : "auto");
if (rows.length) {
  $("where").hidden = $("browse").hidden = false;
  tree();
  apply();
}
if (data.picture) map(data.picture);
follow();
