// Another of the images that were brought.
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-place]");
  if (!button) return;
  for (const other of element.querySelectorAll("[data-place]")) other.removeAttribute("aria-current");
  button.setAttribute("aria-current", "true");
  trigger("select", { place: Number(button.dataset.place) });
});
