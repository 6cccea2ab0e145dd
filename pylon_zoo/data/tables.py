"""Text tables as datasets ship them: read row by row, and every complaint names the file and the row."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from pylon_zoo import remote
from pylon_zoo.errors import DataError, suggest


def open_text(path: str | Path, newline: str | None = None) -> TextIO:
    """A UTF-8 text file opened for reading, with or without a byte-order mark; `.gz` is unpacked.

    Args:
        path: on this machine, or an address (`pylon_zoo.remote`).
        newline: as for `open`.
    """
    file = remote.open_binary(path)
    content = gzip.GzipFile(fileobj=file) if remote.suffix_of(path) == ".gz" else file
    return io.TextIOWrapper(content, encoding="utf-8-sig", newline=newline)


def read_rows(path: str | Path, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that are not blank, header included.

    Args:
        path: as for `open_text`.
        delimiter: what stands between fields.

    Yields:
        The number of the line (from 1, as editors and spreadsheets count) and its fields, stripped of blanks.

    Raises:
        DataError: the file is missing or empty, is not UTF-8, or a row is not CSV.
    """
    if not remote.is_remote(path) and not Path(path).is_file():
        raise DataError(f"'{path}' does not exist: the dataset is not complete without this file.")
    empty = True
    try:
        with open_text(path, newline="") as file:
            reader = csv.reader(file, strict=True, delimiter=delimiter)
            for cells in reader:
                stripped = [*map(str.strip, cells)]
                if any(stripped):
                    empty = False
                    yield reader.line_num, stripped
    except UnicodeDecodeError as error:
        raise DataError(f"'{path}' is not UTF-8 text ({error.reason}): save it again as CSV in UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"'{path}' row {reader.line_num} is not CSV ({error}): correct this row.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"'{path}' cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if empty:
        raise DataError(f"'{path}' is empty: download or copy it again.")


def find_columns(path: Path, header: Sequence[str], required: Sequence[str]) -> list[int]:
    """Where the required columns are.

    Args:
        path: the file, for the message.
        header: its first row.
        required: names of columns.

    Returns:
        The position of each required column.

    Raises:
        DataError: names what is missing and what is there.

    Example:
        >>> find_columns(Path("a.csv"), ["Image", "Label", "Age"], ["Age", "Image"])
        [2, 0]
    """
    missing = [name for name in required if name not in header]
    if missing:
        found = ", ".join(repr(name) for name in header if name)
        raise DataError(
            f"'{path}' lacks the column{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))}; its first row has "
            f"{found}.{suggest(missing[0], header)}"
        )
    return [header.index(name) for name in required]


def pick(path: str | Path, line: int, cells: Sequence[str], columns: Sequence[int]) -> list[str]:
    """The fields of a row in some columns.

    Args:
        path: the file, for the message.
        line: the row's number, for the message.
        cells: the row.
        columns: positions.

    Raises:
        DataError: the row is too short.

    Example:
        >>> pick(Path("a.csv"), 2, ["x.png", "Mass", "61"], [1, 0])
        ['Mass', 'x.png']
    """
    try:
        return [cells[column] for column in columns]
    except IndexError:
        fields = f"{len(cells)} field{'s' * (len(cells) != 1)}"
        raise DataError(
            f"'{path}' row {line} has {fields} where at least {max(columns) + 1} are needed: correct or remove it."
        ) from None
