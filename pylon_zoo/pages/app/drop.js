// Files from the disk to the server: dropped, chosen, or a folder to its bottom. What is too large is not sent.
const zone = element.querySelector(".pz-zone");
const said = element.querySelector(".pz-said");
const known = (name) => props.suffixes.some((suffix) => name.toLowerCase().endsWith(suffix));
const hidden = (path) => path.split("/").some((part) => part.startsWith("."));

async function inside(entry, path) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, name: path + entry.name, sought: path === "" }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {  // a reader gives a folder in parts
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) break;
    for (const child of part) found.push(...(await inside(child, path + entry.name + "/")));
  }
  return found;
}

async function send(found) {
  const wanted = found
    .filter((one) => one.sought || (known(one.name) && !hidden(one.name)))
    .sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  if (!wanted.length) {
    said.textContent = "The folder holds no image: looked for " + props.suffixes.join(", ") + ".";
    return;
  }
  const chosen = wanted.slice(0, props.most);
  said.textContent = chosen.length === 1 ? "Sending…" : `Sending ${chosen.length} images…`;
  const files = await Promise.all(
    chosen.map(async ({ file, name }) => {
      const told = { name, size: file.size, path: "" };
      if (file.size > props.bytes) return told;
      // A name of its own: the server forgets a file once it is read, and two users may bring the same one.
      const unique = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
      try {
        told.path = (await upload(new File([file], unique + ".bin"))).path;
      } catch (error) {
        console.error(error);  // without a path the server says that it did not arrive
      }
      return told;
    }),
  );
  said.textContent = "";
  trigger("upload", { files, left_out: wanted.length - chosen.length });
}

for (const input of element.querySelectorAll(".pz-files")) {
  input.addEventListener("change", () => {
    const found = Array.from(input.files, (file) => ({
      file,
      name: file.webkitRelativePath || file.name,
      sought: !file.webkitRelativePath,
    }));
    input.value = "";  // so that the same file can be chosen again
    if (found.length) send(found);
  });
}
let above = 0;
const over = (by) => {
  above += by;
  zone.classList.toggle("over", above > 0);
};
// The whole page takes a drop: a file that misses the zone would replace the page.
document.addEventListener("dragenter", (event) => (event.preventDefault(), over(1)));
document.addEventListener("dragleave", () => over(-1));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  over(-above);
  const items = Array.from(event.dataTransfer.items).filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry());
  const plain = items.map((item) => item.getAsFile());  // now: after a wait the browser has emptied the list
  const found = [];
  for (const [place, entry] of entries.entries()) {
    if (entry) found.push(...(await inside(entry, "")));
    else if (plain[place]) found.push({ file: plain[place], name: plain[place].name, sought: true });
  }
  if (found.length || items.length) send(found);
});
