"use strict";
// Sorting, filtering and a closer look at the frames; without it the page shows all of them, worst first.
const cards = [...document.querySelectorAll("#cards > .card")];
const holder = document.getElementById("cards");
const field = (id) => document.getElementById(id);

function key(card, name) {
  const value = card.dataset[name];
  if (name === "name" || name === "group") return value;
  return value === "" ? Infinity : Number(value);
}

function arrange() {
  const asked = field("sort").value;
  const down = asked.startsWith("-");
  const name = asked.replace("-", "");
  const order = [...cards].sort((a, b) => {
    const x = key(a, name), y = key(b, name);
    if (x === y || (x === Infinity && y === Infinity)) return a.dataset.name < b.dataset.name ? -1 : 1;
    if (x === Infinity || y === Infinity) return x === Infinity ? 1 : -1; // what has no value comes last both ways
    const less = typeof x === "string" ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
    return down ? -less : less;
  });
  holder.append(...order);
  filter();
}

function filter() {
  const kind = field("show").value, group = field("group").value, text = field("search").value.toLowerCase();
  let count = 0;
  for (const card of cards) {
    const fits = (!kind || card.dataset.kinds.split("|").includes(kind)) &&
      (!group || card.dataset.group === group) && card.dataset.name.toLowerCase().includes(text);
    card.hidden = !fits;
    count += fits;
  }
  field("counted").textContent = `${count} of ${cards.length} frames`;
}

function layer() {
  const chosen = document.querySelector("input[name=layer]:checked").value;
  document.body.dataset.layer = chosen;
  document.documentElement.style.setProperty("--wipe", `${field("wipe").value}%`);
  for (const range of document.querySelectorAll("#wipe, #large-wipe")) range.value = field("wipe").value;
  for (const heat of document.querySelectorAll(".look .heat"))
    heat.style.display = heat.classList.contains(chosen) ? "block" : "none";
}

function model() {
  const chosen = field("model")?.value ?? "0";
  for (const part of document.querySelectorAll("[class*='of-']"))
    part.toggleAttribute("hidden", !part.classList.contains(`of-${chosen}`));
}

const dialog = document.createElement("dialog");
dialog.setAttribute("aria-label", "One frame, large");
dialog.innerHTML = '<menu><button value="-1">previous</button><button value="1">next</button>' +
  '<label>layer <select id="large-layer"></select></label>' +
  '<label class="slide">border <input id="large-wipe" type="range" min="0" max="100"></label>' +
  '<button value="0">close</button></menu><div></div>';
document.body.append(dialog);
const radios = [...document.querySelectorAll("input[name=layer]")];
for (const radio of radios)
  field("large-layer").append(new Option(radio.parentElement.textContent, radio.value));
field("large-layer").addEventListener("change", (event) => {
  radios.find((radio) => radio.value === event.target.value).checked = true;
  layer();
});
field("large-wipe").addEventListener("input", (event) => {
  field("wipe").value = event.target.value;
  layer();
});
let open = null;

function show(card) {
  open = card;
  const large = card.cloneNode(true);
  const look = large.querySelector(".look"), still = document.createElement("div");
  still.className = "look"; // large already, so no button
  still.append(...look.childNodes);
  look.replaceWith(still);
  field("large-layer").value = document.body.dataset.layer;
  dialog.lastElementChild.replaceChildren(large);
  if (!dialog.open) dialog.showModal();
}

function step(by) {
  const seen = [...holder.children].filter((card) => !card.hidden);
  const next = seen[seen.indexOf(open) + by];
  if (next) show(next);
}

dialog.addEventListener("click", (event) => {
  if (event.target === dialog) return dialog.close();
  const value = event.target.value;
  if (event.target.tagName === "BUTTON") value === "0" ? dialog.close() : step(Number(value));
});
document.addEventListener("keydown", (event) => {
  if (!dialog.open || event.target.matches("select, input")) return; // there the arrows have their own work
  if (event.key === "ArrowRight") step(1);
  if (event.key === "ArrowLeft") step(-1);
});
dialog.addEventListener("close", () => open && open.querySelector(".look").focus());

holder.addEventListener("click", (event) => {
  const look = event.target.closest(".look");
  if (look) show(look.closest(".card"));
});
document.addEventListener("pointermove", (event) => {
  const stage = event.target.closest?.(".look")?.querySelector(".stage");
  if (!stage || document.body.dataset.layer !== "wipe") return;
  const box = stage.getBoundingClientRect();
  field("wipe").value = 100 * (event.clientX - box.left) / box.width;
  layer();
});
field("controls").addEventListener("submit", (event) => event.preventDefault());
field("sort").addEventListener("change", arrange);
for (const id of ["show", "group"]) field(id).addEventListener("change", filter);
field("search").addEventListener("input", filter);
for (const choice of document.querySelectorAll("input[name=layer]")) choice.addEventListener("change", layer);
field("wipe").addEventListener("input", layer);
field("model")?.addEventListener("change", model);
arrange();
layer();
model();
