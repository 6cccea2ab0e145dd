"""The tables of docs/experiments.md, from the runs in benchmarks/results.

pylon-zoo reproduce phantom_methods --data phantom --seeds 3 --csv benchmarks/results/phantom_methods.csv
python benchmarks/experiment_tables.py
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from tables import write_between_marks

from pylon_zoo.experiments.grid import list_grids, load_grid
from pylon_zoo.experiments.results import MACRO, read_rows
from pylon_zoo.experiments.summary import Cell, difference, markdown, summarize

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "experiments.md"


PROPOSED, PLAIN, LONGER = "Two layers (proposed)", "PYLON: max, width 32, 128 px, 5 epochs", "15 epochs"
# Table → pairs of rows whose difference says something.
PAIRS = {
    "phantom_methods": (
        ("PYLON", "Baseline"),
        ("PYLON", "Average-pooled CAM"),
        ("PYLON", "Li 2018"),
        ("PYLON", "PYLON, one layer"),
        ("PYLON", "FPN"),
        ("PYLON", "DeepLabV3+"),
        ("PYLON", "Unet"),
        ("PYLON", "PAN"),
        ("FPN, group norm", "FPN"),
        ("PAN, no GAP", "PAN"),
        ("DeepLabV3+, no GAP", "DeepLabV3+"),
        ("Baseline, GradCAM", "Baseline"),
        ("Baseline, GradCAM++", "Baseline"),
        ("Average-pooled, GradCAM", "Average-pooled CAM"),
    ),
    "phantom_ablations": tuple(
        (row.name, PROPOSED)
        for row in load_grid("phantom_ablations").rows
        if row.name != PROPOSED and not row.name.startswith("Li 2018")
    ),
    "phantom_choices": tuple(
        (row.name, LONGER if row.name.endswith(", 15 epochs") else PLAIN)
        for row in load_grid("phantom_choices").rows
        if row.name != PLAIN
    ),
    **{
        name: tuple(("PYLON", row.name) for row in load_grid(name).rows if row.name != "PYLON")
        for name in ("deeppcb_methods", "magnetic_tile_methods", "bccd_methods")
    },
    "deeppcb_pointing": (
        ("PYLON", "FPN"),
        ("PYLON, quarter turns", "PYLON"),
        ("PYLON, quarter turns", "FPN, quarter turns"),
    ),
    "phantom_pointing": (("PYLON", "FPN"),),
    **dict.fromkeys(
        ("magnetic_tile_pointing", "bccd_pointing"),
        (("PYLON", "PYLON, no consistency"), ("FPN", "FPN, no consistency"), ("PYLON", "FPN")),
    ),
    "phantom_ingredients": (
        *(
            (row.name, f"{row.name.split(',')[0]}, none")
            for row in load_grid("phantom_ingredients").rows
            if not row.name.endswith(", none")
        ),
        ("PYLON, all but swapped contexts", "PYLON, pooling, stride 16 and light laterals"),
        ("PYLON, all but swapped contexts", "PYLON, two views, pooling and stride 16"),
        ("PYLON, all", "PYLON, all but swapped contexts"),
        ("PYLON, all", "FPN, all"),
        ("PYLON, all", "CAM, all"),
    ),
}


def differences(name: str) -> str:
    """A table's pairs, with the difference in point accuracy, AUROC and the grid's other metrics, in Markdown."""
    rows, metrics = read_rows(RESULTS / f"{name}.csv"), load_grid(name).metrics
    heads = ["row", "less", "point accuracy", "AUROC", *metrics, "pairs of runs"]
    lines = [heads, ["---"] * len(heads)]
    for one, other in PAIRS[name]:
        columns = ("point_accuracy", "auroc", *(f"{metric}:{MACRO}" for metric in metrics))
        cells = [difference(rows, one, other, column) for column in columns]
        lines.append([one, other, *map(signed, cells), str(max(cell.runs for cell in cells))])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def signed(cell: Cell) -> str:
    """A difference with its interval, in bold where that leaves out zero."""
    if math.isnan(cell.mean):
        return cell.text()
    if math.isnan(cell.half):
        return f"{cell.mean:+.2f}"
    text = f"{cell.mean:+.2f} ± {cell.half:.2f}"
    return f"**{text}**" if cell.low > 0 or cell.high < 0 else text


def main() -> None:
    """Write a table for every grid that has been run."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    for name in list_grids():
        if rows := read_rows(RESULTS / f"{name}.csv"):
            write_between_marks(PAGE, markdown(summarize(load_grid(name), rows)), f"pylon-zoo reproduce {name}")
            if name in PAIRS:
                write_between_marks(PAGE, differences(name), f"differences of {name}")
            print(f"{name}: {len(rows)} runs")


if __name__ == "__main__":
    main()
