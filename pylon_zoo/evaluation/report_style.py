"""What the report of an evaluation adds to the style sheet of `pylon_zoo.explanation.report_style`."""

CSS = """
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(28rem, 100%), 1fr)); gap: 1.25rem;
  margin-bottom: 1.25rem; }
.charts .card { margin: 0; }
.card > p { margin: .2rem 0 .9rem; color: var(--faint); font-size: .88rem; max-width: 52rem; }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  print-color-adjust: exact; }
svg text { fill: var(--ink); font-variant-numeric: tabular-nums; }
svg .tick { fill: var(--faint); font-size: 11px; } svg .value { font-weight: 600; }
svg .grid { stroke: var(--line); } svg .bar { fill: var(--found); opacity: .8; }
svg .whisker { stroke: var(--ink); stroke-width: 1.4; fill: none; }
svg .mark { stroke: var(--ink); stroke-dasharray: 2 2; }
svg .ideal { stroke: var(--faint); stroke-dasharray: 4 4; }
svg .aim { fill: var(--found); opacity: .45; } svg .ring { stroke: var(--line); fill: none; }
svg .arrow { stroke: var(--ink); stroke-width: 2; fill: none; }
svg .curve { stroke: var(--found); stroke-width: 2; fill: none; } svg .dot { fill: var(--found); }
.big { display: flex; flex-wrap: wrap; gap: 1rem 3rem; margin: 1.4rem 0 .4rem; }
.big b { display: block; font-size: 2.1rem; line-height: 1.15; letter-spacing: -.02em;
  font-variant-numeric: tabular-nums; }
.big span { color: var(--faint); font-size: .85rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .5rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--faint); font-weight: 500; } th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.average td { font-weight: 600; }
.trios { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); gap: 1.1rem 1.6rem; }
.trios h3 { margin: 0 0 .5rem; font-size: .8rem; font-weight: 500; color: var(--faint); letter-spacing: .06em;
  text-transform: uppercase; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .6rem; align-items: start; }
.pair img { width: auto; max-width: 100%; aspect-ratio: auto; max-height: 20rem; }
.pair figcaption { font-size: .8rem; overflow-wrap: anywhere; }
.hit { color: #15803d; font-weight: 600; } .miss { color: var(--bad); font-weight: 600; }
@media (prefers-color-scheme: dark) { .hit { color: #5fd38d; } }
.warning { color: var(--bad) !important; font-weight: 600; }
"""
