"""The tables of docs/experiments.md, from the runs in benchmarks/results.

pylon-zoo reproduce phantom_methods --data phantom --seeds 3 --csv benchmarks/results/phantom_methods.csv
python benchmarks/phantom_tables.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tables import write_between_marks

from pylon_zoo.experiments.grid import list_grids, load_grid
from pylon_zoo.experiments.results import read_rows
from pylon_zoo.experiments.summary import markdown, summarize

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "experiments.md"


def main() -> None:
    """Write a table for every grid that has been run."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    for name in list_grids():
        if rows := read_rows(RESULTS / f"{name}.csv"):
            write_between_marks(PAGE, markdown(summarize(load_grid(name), rows)), f"pylon-zoo reproduce {name}")
            print(f"{name}: {len(rows)} runs")


if __name__ == "__main__":
    main()
