// What the server made in memory, to the user's disk, where they asked for it.
watch("value", () => {
  if (!props.value) return;
  const { name, type, content } = JSON.parse(props.value);
  const bytes = Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
});
