for (const marked of document.querySelectorAll('.finding img')) {
  const original = marked.closest('.views').querySelector('.original img').src, overlay = marked.src;
  for (const event of ['pointerenter', 'focus']) marked.addEventListener(event, () => { marked.src = original; });
  for (const event of ['pointerleave', 'blur']) marked.addEventListener(event, () => { marked.src = overlay; });
}
