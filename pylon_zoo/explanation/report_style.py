"""Look and behaviour of the report: one style sheet for light, dark and paper, one small script."""

CSS = """
:root { color-scheme: light dark;
  --page: #f4f5f7; --card: #ffffff; --line: #dfe2e7; --ink: #16181d; --faint: #5d6470;
  --found: #c2410c; --below: #9aa1ad; --track: #e9ebef; --bad: #b42318; --bad-page: #fef3f2; }
@media (prefers-color-scheme: dark) { :root {
  --page: #0e1013; --card: #171a1f; --line: #2a2f37; --ink: #eceef2; --faint: #9aa2af;
  --found: #f59e4b; --below: #6b7380; --track: #262b33; --bad: #ff8a7d; --bad-page: #2a1715; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2.5rem 1.5rem 3rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; letter-spacing: -.015em; overflow-wrap: anywhere; }
h2 { margin: 0; font-size: 1.05rem; line-height: 1.3; overflow-wrap: anywhere; }
.kicker { margin: 0 0 .25rem; color: var(--faint); font-size: .8rem; letter-spacing: .08em; text-transform: uppercase; }
.facts, .facts dl { display: flex; flex-wrap: wrap; gap: .9rem 2.2rem; margin: 0; }
.facts { margin-top: 1.4rem; padding: 1.1rem 0; border: solid var(--line); border-width: 1px 0; }
.facts div { min-width: 0; }
dt { color: var(--faint); font-size: .8rem; }
dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.legend { margin-left: auto; width: 15rem; color: var(--faint); font-size: .8rem; }
.legend i { display: block; height: .7rem; margin: .3rem 0 .15rem; border-radius: 2px; print-color-adjust: exact; }
.legend span { display: flex; justify-content: space-between; font-variant-numeric: tabular-nums; }
.hint { margin: 1rem 0 1.5rem; color: var(--faint); font-size: .9rem; max-width: 62rem; }
.card { margin: 0 0 1.25rem; padding: 1.1rem 1.25rem 1.25rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; break-inside: avoid; }
.card > header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem 1rem; margin-bottom: .9rem; }
.card .where, .card .size { color: var(--faint); font-size: .85rem; overflow-wrap: anywhere; }
.card .size { margin-left: auto; font-variant-numeric: tabular-nums; white-space: nowrap; }
.views { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1.1rem; }
figure { margin: 0; min-width: 0; }
figure img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: #000; border-radius: 6px;
  print-color-adjust: exact; }
figcaption { padding-top: .45rem; font-size: .9rem; }
.line { display: flex; gap: .75rem; justify-content: space-between; font-weight: 600; }
.line span:first-child { min-width: 0; overflow-wrap: anywhere; }
.line span:last-child { font-variant-numeric: tabular-nums; }
.note { color: var(--faint); font-size: .82rem; }
.meter { position: relative; height: 6px; margin: .3rem 0 .25rem; background: var(--track); border-radius: 3px;
  print-color-adjust: exact; }
.meter b { position: absolute; inset: 0 auto 0 0; min-width: 2px; background: var(--below); border-radius: 3px; }
.meter b.found { background: var(--found); }
.meter i { position: absolute; top: -2px; bottom: -2px; width: 1px; background: var(--faint); }
.all { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .35rem 1.1rem;
  margin: 1rem 0 0; padding: .9rem 0 0; border-top: 1px solid var(--line); list-style: none; font-size: .85rem; }
.all .line { font-weight: 400; }
.failed { border-left: 4px solid var(--bad); background: var(--bad-page); }
.failed p { margin: 0; color: var(--bad); overflow-wrap: anywhere; }
a { color: inherit; }
footer { margin-top: 2rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--faint);
  font-size: .85rem; }
@media (max-width: 40rem) { body { padding: 1.25rem .9rem; } .legend { margin-left: 0; } }
@media print { body { max-width: none; padding: 0; background: #fff; } }
"""

SCRIPT = """
for (const marked of document.querySelectorAll('.finding img')) {
  const original = marked.closest('.views').querySelector('.original img').src, overlay = marked.src;
  for (const event of ['pointerenter', 'focus']) marked.addEventListener(event, () => { marked.src = original; });
  for (const event of ['pointerleave', 'blur']) marked.addEventListener(event, () => { marked.src = overlay; });
}
"""
