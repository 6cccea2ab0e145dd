"""Tables that scripts write: CSV files, and the part of a Markdown page that is theirs."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS_FOLDER = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "speed.md"  # where the tables on speed go
Row = Mapping[str, Any]


def results_file(name: str, device: str = "cpu") -> Path:
    """Where a script's figures for a device go."""
    return RESULTS_FOLDER / (f"{name}.csv" if device == "cpu" else f"{name}_{device}.csv")


def command_for(name: str, device: str = "cpu") -> str:
    """What makes its table, as the marks around it in a page say."""
    return f"python benchmarks/{name}.py" + ("" if device == "cpu" else f" --device {device}")


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Rows of the same keys, the first one's in its order as the header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, Any]]:
    """What `write_csv` wrote, numbers as numbers."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: number(value) for key, value in row.items()} for row in csv.DictReader(file)]


def number(text: str) -> int | float | str:
    """The number that a text is, or the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def write_between_marks(path: Path, text: str, command: str) -> None:
    """Replace what stands between the two lines that name a command in a Markdown file."""
    before, _, after = split_at_marks(path, command)
    path.write_text(f"{before}\n\n{text}\n\n{after}", encoding="utf-8", newline="\n")


def read_between_marks(path: Path, command: str) -> str:
    """What stands between them."""
    return split_at_marks(path, command)[1].strip()


def split_at_marks(path: Path, command: str) -> tuple[str, str, str]:
    """A Markdown file up to its first mark, between the two, and from the second mark on."""
    begin, end = f"<!-- begin: {command} -->", "<!-- end -->"
    before, mark, rest = path.read_text(encoding="utf-8").partition(begin)
    between, stop, after = rest.partition(end)
    if not mark or not stop:
        raise SystemExit(f"{path} lacks the lines {begin!r} and {end!r}, between which the table goes.")
    return before + mark, between, stop + after


def publish(
    rows: Sequence[Row], report: Callable[[Sequence[Row]], str], results: Path, page: Path, command: str
) -> None:
    """Write the rows as CSV, and what a report makes of that CSV into a page, so that the two say the same."""
    write_csv(results, rows)
    text = report(read_csv(results))
    print(text)
    write_between_marks(page, text, command)
