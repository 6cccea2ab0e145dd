"""Tables that scripts write: CSV files, and the part of a Markdown page that is theirs."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of the same keys, the first one's in its order as the header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_between_marks(path: Path, text: str, command: str) -> None:
    """Replace what stands between the two lines that name a command in a Markdown file."""
    begin, end = f"<!-- begin: {command} -->", "<!-- end -->"
    before, mark, rest = path.read_text(encoding="utf-8").partition(begin)
    _, stop, after = rest.partition(end)
    if not mark or not stop:
        raise SystemExit(f"{path} lacks the lines {begin!r} and {end!r}, between which the table goes.")
    path.write_text(f"{before}{mark}\n\n{text}\n\n{end}{after}", encoding="utf-8")
