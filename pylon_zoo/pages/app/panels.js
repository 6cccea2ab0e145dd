// Zoom of one or two pictures, always the same of both.
const MOST = 8;
const STEP = 1.5;
let scale = 1;
let x = 0;  // of the middle, in shares of the picture's width and height
let y = 0;
let held = null;

function apply() {
  const room = (scale - 1) / 2 / scale;
  x = Math.min(room, Math.max(-room, x));
  y = Math.min(room, Math.max(-room, y));
  for (const picture of element.querySelectorAll(".pz-map")) {
    picture.style.transform = scale === 1 ? "" : `scale(${scale}) translate(${-x * 100}%, ${-y * 100}%)`;
  }
  for (const stage of element.querySelectorAll(".pz-stage")) stage.classList.toggle("zoomed", scale > 1);
  const told = element.querySelector(".pz-tools output");
  if (told) told.textContent = `${Math.round(scale * 100)}%`;
}
// (toX, toY): the place that stays where it is, from the middle, in shares of the stage.
function zoom(by, toX = 0, toY = 0) {
  const before = scale;
  scale = Math.min(MOST, Math.max(1, scale * by));
  x += toX * (1 / before - 1 / scale);
  y += toY * (1 / before - 1 / scale);
  apply();
}
function fit() {
  scale = 1;
  apply();
}
function place(event) {
  const box = event.target.closest(".pz-stage").getBoundingClientRect();
  return [(event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5];
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-zoom]");
  if (button) ({ in: () => zoom(STEP), out: () => zoom(1 / STEP), fit })[button.dataset.zoom]();
});
element.addEventListener("dblclick", (event) => {
  if (event.target.closest(".pz-stage")) zoom(STEP * STEP, ...place(event));
});
element.addEventListener(
  "wheel",
  (event) => {
    // The wheel alone scrolls the page; with Ctrl, which a pinch on a touch pad is too, it zooms.
    if (!event.ctrlKey || !event.target.closest(".pz-stage")) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, ...place(event));
  },
  { passive: false },
);
element.addEventListener("pointerdown", (event) => {
  const stage = event.target.closest(".pz-stage");
  if (stage && scale > 1) held = { id: event.pointerId, at: [event.clientX, event.clientY], stage };
});
window.addEventListener("pointermove", (event) => {
  if (!held || event.pointerId !== held.id) return;
  x -= (event.clientX - held.at[0]) / held.stage.clientWidth / scale;
  y -= (event.clientY - held.at[1]) / held.stage.clientHeight / scale;
  held.at = [event.clientX, event.clientY];
  apply();
});
for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => (held = null));
element.addEventListener("keydown", (event) => {
  if (!event.target.closest(".pz-stage") || event.ctrlKey || event.metaKey) return;
  const by = 0.15 / scale;
  const does = {
    "+": () => zoom(STEP),
    "=": () => zoom(STEP),
    "-": () => zoom(1 / STEP),
    0: fit,
    ArrowLeft: () => (x -= by),
    ArrowRight: () => (x += by),
    ArrowUp: () => (y -= by),
    ArrowDown: () => (y += by),
  }[event.key];
  if (!does || (event.key.startsWith("Arrow") && scale === 1)) return;
  event.preventDefault();
  does();
  apply();
});
watch("value", apply);
