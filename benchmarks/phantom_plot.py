"""The picture of docs/experiments.md: where every run of every method landed, a dot each.

Reads benchmarks/results/phantom_methods.csv, writes docs/images/phantom-methods.svg:

python benchmarks/phantom_plot.py
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from xml.sax.saxutils import escape

from pylon_zoo.experiments.results import read_rows

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "phantom_methods.csv"
OUT = ROOT / "docs" / "images" / "phantom-methods.svg"
LEFT, WIDTH, TOP, STEP, RIGHT = 225, 480, 46, 24, 60  # in pixels: names, axis, head, a row, the mean's number
FIGURE, TITLE = "point_accuracy", "Point accuracy on 1,000 phantoms, macro average; a dot is a training run"
OURS = "PYLON"
INK, PALE, ACCENT, MUTED = "#24292f", "#d0d7de", "#d1495b", "#5a7d9a"


def draw(names: Sequence[str], runs: Mapping[str, Sequence[float]]) -> str:
    """The picture as SVG.

    Args:
        names: rows from top to bottom.
        runs: name → figures in [0, 1].
    """
    height = TOP + STEP * len(names) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="18" font-weight="600">{escape(TITLE)}</text>',
    ]
    for tick in range(0, 11, 2):
        x = LEFT + WIDTH * tick / 10
        parts.append(f'<line x1="{x}" y1="{TOP - 4}" x2="{x}" y2="{height - 8}" stroke="{PALE}"/>')
        parts.append(f'<text x="{x}" y="{TOP - 9}" text-anchor="middle" font-size="11">{tick / 10:.1f}</text>')
    for place, name in enumerate(names):
        y = TOP + STEP * (place + 0.5)
        colour = ACCENT if name.startswith(OURS) else MUTED
        middle = LEFT + WIDTH * mean(runs[name])
        parts.append(f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        parts.append(
            f'<line x1="{LEFT}" y1="{y}" x2="{LEFT + WIDTH}" y2="{y}" stroke="{PALE}" stroke-dasharray="1 3"/>'
        )
        parts += [
            f'<circle cx="{LEFT + WIDTH * value:.1f}" cy="{y}" r="4.5" fill="{colour}" fill-opacity="0.55"/>'
            for value in runs[name]
        ]
        parts.append(
            f'<line x1="{middle:.1f}" y1="{y - 8}" x2="{middle:.1f}" y2="{y + 8}" stroke="{INK}" stroke-width="2"/>'
        )
        parts.append(f'<text x="{LEFT + WIDTH + 12}" y="{y + 4}">{mean(runs[name]):.2f}</text>')
    return "\n".join([*parts, "</svg>", ""])


def picture() -> str:
    """Of what has been run, best method first."""
    runs: dict[str, list[float]] = {}
    for line in read_rows(RESULTS):
        if line[FIGURE]:
            runs.setdefault(line["row"], []).append(float(line[FIGURE]))
    return draw(sorted(runs, key=lambda name: -mean(runs[name])), runs)


def main() -> None:
    """Draw it."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    OUT.write_text(picture(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
