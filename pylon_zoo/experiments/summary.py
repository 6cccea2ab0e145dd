"""From runs to a table: mean over seeds with its interval, beside the paper's figure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pylon_zoo.experiments.grid import Grid
from pylon_zoo.experiments.results import MACRO
from pylon_zoo.files import write_text
from pylon_zoo.metrics.doubt import student_t_interval

POINT, AUROC = "point_accuracy", "auroc"


@dataclass(frozen=True)
class Cell:
    """A figure over runs.

    Args:
        mean: over the runs; NaN for none.
        low, high: ends of the 95 % interval of the mean, after Student; NaN for a single run.
        runs: how many.
        paper: the paper's figure; NaN when it has none.
    """

    mean: float
    low: float
    high: float
    runs: int
    paper: float = math.nan

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2

    def text(self) -> str:
        """`0.61 ± 0.02 (paper 0.60)`, as far as there is."""
        if math.isnan(self.mean):
            return "–"
        spread = "" if math.isnan(self.half) else f" ± {self.half:.2f}"
        return f"{self.mean:.2f}{spread}" + ("" if math.isnan(self.paper) else f" (paper {self.paper:.2f})")


@dataclass(frozen=True)
class Summary:
    """A filled table.

    Args:
        grid: what it is a table of.
        classes: those with boxes, in the dataset's order.
        cells: row → `"macro"`, `"weighted"`, `"auroc"`, the grid's other metrics and the classes → figure; rows without
            runs are left out.

    Example:
        >>> from pylon_zoo.experiments.grid import Row
        >>> grid = Grid(rows=(Row("PYLON", recipe="phantom_pylon"),))
        >>> line = {"row": "PYLON", "point_accuracy": "0.6", "point_accuracy_weighted": "0.6", "auroc": "0.9"}
        >>> summarize(grid, [line]).cells["PYLON"]["auroc"].mean
        0.9
    """

    grid: Grid
    classes: tuple[str, ...]
    cells: Mapping[str, Mapping[str, Cell]]


def summarize(grid: Grid, rows: Sequence[Mapping[str, str]]) -> Summary:
    """The table that a grid's rows make.

    Args:
        grid: names and order of the rows, and the paper's columns.
        rows: as `read_rows` gives them.

    Returns:
        The table; rows without runs are left out.

    Example:
        >>> from pylon_zoo.experiments.grid import Row
        >>> grid = Grid(rows=(Row("PYLON", recipe="phantom_pylon"),))
        >>> line = {"row": "PYLON", "point_accuracy": "0.6", "point_accuracy_weighted": "0.6", "auroc": "0.9"}
        >>> summarize(grid, [line, {**line, "point_accuracy": "0.8"}]).cells["PYLON"]["macro"].runs
        2
    """
    classes = tuple(name.partition(":")[2] for name in (rows[0] if rows else {}) if name.startswith(f"{POINT}:"))
    boxed = tuple(name for name in classes if any(row[f"{POINT}:{name}"] for row in rows))
    columns = {"macro": POINT, "weighted": f"{POINT}_weighted", AUROC: AUROC}
    columns.update({name: f"{name}:{MACRO}" for name in grid.metrics})
    columns.update({name: f"{POINT}:{name}" for name in boxed})
    published = grid.published()
    cells = {}
    for row in grid.rows:
        mine = [line for line in rows if line["row"] == row.name]
        if mine:
            paper = published.get(row.column, {})
            cells[row.name] = {
                name: _cell([float(line[column]) for line in mine if line[column]], paper.get(name, math.nan))
                for name, column in columns.items()
            }
    return Summary(grid, boxed, cells)


def difference(rows: Sequence[Mapping[str, str]], one: str, other: str, column: str = POINT) -> Cell:
    """How much higher one row's figure is than another's, over pairs of runs that were made alike.

    Pairs have the seed, the kind of device and the `--set` of their command in common. What pairs share (the order of
    images, the run that both start from) moves both figures, but hardly their difference.

    Args:
        rows: as `read_rows` gives them.
        one, other: names of rows.
        column: the figure.

    Example:
        >>> runs = [{"row": row, "seed": "0", "device": "cpu", "command": "", "auroc": figure}
        ...         for row, figure in (("a", "0.9"), ("b", "0.8"))]
        >>> round(difference(runs, "a", "b", AUROC).mean, 3)
        0.1
    """
    runs: dict[str, dict[tuple[str, ...], float]] = {one: {}, other: {}}
    for line in rows:
        if line["row"] in runs and line[column]:
            made = (line["seed"], line["device"].partition(":")[0], line["command"].partition(" --set ")[2])
            runs[line["row"]][made] = float(line[column])
    pairs = [runs[one][made] - runs[other][made] for made in runs[one] if made in runs[other]]
    return _cell(pairs)


def markdown(summary: Summary) -> str:
    """The table in Markdown, a line per row: point accuracy, AUROC, other metrics, and the classes' point accuracy."""
    others = summary.grid.metrics
    heads = ["", "point accuracy, macro", "weighted", "macro AUROC", *others, *summary.classes, "runs"]
    lines = [heads, ["---"] * len(heads)]
    for name, cells in summary.cells.items():
        figures = [cells[key].text() for key in ("macro", "weighted", AUROC, *others, *summary.classes)]
        lines.append([name, *figures, str(max(cell.runs for cell in cells.values()))])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_summary(summary: Summary, results: Path) -> list[Path]:
    """Write the table beside the runs' CSV, as `<name>-table.csv` and `<name>-table.md`; gives the two paths."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("row", "figure", "mean", "low", "high", "runs", "paper"))
    for name, cells in summary.cells.items():
        for figure, cell in cells.items():
            values = (cell.mean, cell.low, cell.high)
            ends = ["" if math.isnan(value) else f"{value:.4f}" for value in values]
            writer.writerow((name, figure, *ends, cell.runs, "" if math.isnan(cell.paper) else cell.paper))
    paths = [results.with_name(f"{results.stem}-table{suffix}") for suffix in (".csv", ".md")]
    for path, content in zip(paths, (text.getvalue(), f"{summary.grid.title}\n\n{markdown(summary)}\n"), strict=True):
        write_text(path, content)
    return paths


def _cell(values: Sequence[float], paper: float = math.nan) -> Cell:
    """The figure of the runs in which it is defined."""
    mean = sum(values) / len(values) if values else math.nan
    return Cell(mean, *student_t_interval(values), len(values), paper)
