// A list of classes: pointing shows a class for the while, clicking and the arrow keys keep it.
const WAIT = 120;  // milliseconds that the pointer must rest
let kept = "";
let shown = "";
let timer = 0;
const options = () => Array.from(element.querySelectorAll('[role="option"]'));
const selected = () => options().find((option) => option.getAttribute("aria-selected") === "true");

function begin() {
  const option = selected();
  kept = shown = option ? option.dataset.label : "";
  if (option) element.querySelector('[role="listbox"]').setAttribute("aria-activedescendant", option.id);
}
function show(label, wait) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (label === shown) return;
    shown = label;
    trigger("select", { label });
  }, wait);
}
function keep(option) {
  for (const other of options()) other.setAttribute("aria-selected", String(other === option));
  const list = element.querySelector('[role="listbox"]');
  list.setAttribute("aria-activedescendant", option.id);
  // By hand: scrollIntoView would move the page under a reader's hand.
  list.scrollTop = Math.min(option.offsetTop, Math.max(list.scrollTop, option.offsetTop + option.offsetHeight - list.clientHeight));
  kept = option.dataset.label;
  show(kept, 0);
}

element.addEventListener("click", (event) => {
  const option = event.target.closest('[role="option"]');
  if (option) keep(option);
});
element.addEventListener("pointerover", (event) => {
  const option = event.target.closest('[role="option"]');
  if (option && event.pointerType === "mouse") show(option.dataset.label, WAIT);
});
element.addEventListener("pointerleave", (event) => {
  if (event.pointerType === "mouse" && kept) show(kept, WAIT);
});
element.addEventListener("keydown", (event) => {
  const all = options();
  if (!all.length || !event.target.closest('[role="listbox"]')) return;
  const at = Math.max(0, all.indexOf(selected()));
  const last = all.length - 1;
  const to = { ArrowDown: Math.min(at + 1, last), ArrowUp: Math.max(at - 1, 0), Home: 0, End: last, Enter: at, " ": at }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  keep(all[to]);
});
watch("value", begin);
begin();
