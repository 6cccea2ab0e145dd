"""What inputs stand for: folders, patterns, lists, tar shards and tables of images, as items in a fixed order."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

from pylon_zoo import remote
from pylon_zoo.data.image_files import IMAGE_SUFFIXES, natural_order
from pylon_zoo.data.tables import open_text, pick, read_rows
from pylon_zoo.deployment.prediction.items import Item
from pylon_zoo.deployment.prediction.parquet_source import Columns, list_parquet
from pylon_zoo.deployment.prediction.tar_source import list_tar
from pylon_zoo.errors import ConfigError, DataError, ImageError, first_line, suggest

PATH_COLUMNS = ("path", "image", "filename")


def list_items(inputs: Iterable[str | Path], columns: Columns = Columns()) -> Iterator[Item]:  # noqa: B008 (immutable)
    """The images that inputs stand for, one after the other, in a fixed order and without holding them all.

    A folder is searched to the bottom for files with an image's suffix, nothing hidden; a pattern (`*.png`,
    `scans/**/*.dcm`, `shards-{000..012}.tar`) is expanded; `.csv` and `.txt` are lists of paths, `.tar` a WebDataset
    shard, `.parquet` a table with encoded images; any other file is an image, whether or not it exists, so that the
    result can say so. Inputs keep their order; within one, names are in natural order (`2.png` before `10.png`). All
    of this may lie elsewhere, by its address (`s3://bucket/scans`, see `pylon_zoo.remote`).

    Args:
        inputs: paths, folders, patterns and addresses.
        columns: where Parquet files keep image and name.

    Yields:
        Items; a shard that is broken somewhere gives one with the error at its end.

    Raises:
        ConfigError: a list or table that is not there, or without the column needed; an address without a driver.
        ImageError: a folder or pattern without anything in it, or an address where nobody answers.
        MissingDependencyError: an address's driver is not installed.
    """
    for given in inputs:
        for path in expand_braces(str(given)):
            yield from _list_address(path, columns) if remote.is_remote(path) else _list_one(Path(path), columns)


def _list_address(address: str, columns: Columns) -> Iterator[Item]:
    try:
        if remote.is_folder(address):
            yield from _at_least_one(_walk_address(address), f"The folder '{address}'")
        elif remote.MAGIC.search(address):
            found = sorted(remote.matches(address), key=lambda one: natural_order(one[0]))
            known = [one for one in found if one[1] or remote.suffix_of(one[0]) in (*IMAGE_SUFFIXES, *LISTERS)]
            items = chain.from_iterable(
                _walk_address(one) if is_folder else _list_file(one, columns) for one, is_folder in known
            )
            yield from _at_least_one(items, f"The pattern '{address}'")
        else:
            yield from _list_file(address, columns)
    except ImageError:
        raise
    except OSError as error:
        raise ImageError(f"'{address}' cannot be listed: {first_line(error)}.") from error


def _walk_address(folder: str) -> Iterator[Item]:
    for address, is_folder in sorted(remote.listing(folder), key=lambda one: natural_order(one[0])):
        if is_folder:
            yield from _walk_address(address)
        elif remote.suffix_of(address) in IMAGE_SUFFIXES:
            yield _file_item(address)


def _list_one(path: Path, columns: Columns) -> Iterator[Item]:
    if path.is_dir():
        yield from _at_least_one(_walk(path), f"The folder '{path}'")
    elif not path.exists() and glob.has_magic(str(path)):
        matches = sorted(map(Path, glob.iglob(str(path), recursive=True)), key=natural_order)  # noqa: PTH207
        known = [match for match in matches if match.is_dir() or match.suffix.lower() in (*IMAGE_SUFFIXES, *LISTERS)]
        found = chain.from_iterable(_walk(one) if one.is_dir() else _list_file(one, columns) for one in known)
        yield from _at_least_one(found, f"The pattern '{path}'")
    else:
        yield from _list_file(path, columns)


def _list_file(path: str | Path, columns: Columns) -> Iterator[Item]:
    lister = LISTERS.get(remote.suffix_of(path))
    if lister is None:
        yield _file_item(path)
        return
    if not (remote.is_file(path) if isinstance(path, str) else path.is_file()):
        raise ConfigError(f"--input {path} does not exist, or is no file: check the path.")
    try:
        yield from lister(path, columns)
    except DataError as error:
        yield Item(str(path), "", "problem", str(path), error=str(error))


def _file_item(path: str | Path) -> Item:
    return Item(str(path), "", "file", str(path))


def _at_least_one(items: Iterator[Item], where: str) -> Iterator[Item]:
    first = next(items, None)
    if first is None:
        raise ImageError(f"{where} holds no image: looked for {', '.join(IMAGE_SUFFIXES)}.")
    yield first
    yield from items


def _walk(folder: Path) -> Iterator[Item]:
    """The images of a folder; only one folder's names are in memory at a time, and those above it."""
    try:
        with os.scandir(folder) as entries:
            names = [(Path(entry.path), entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise ImageError(f"The folder '{folder}' cannot be listed: {error.strerror}.") from error
    for path, is_folder in sorted(names, key=lambda pair: natural_order(pair[0])):
        if is_folder and not path.is_symlink():
            yield from _walk(path)
        elif not is_folder and path.suffix.lower() in IMAGE_SUFFIXES:
            yield _file_item(path)


def _list_text(path: str | Path, columns: Columns) -> Iterator[Item]:
    try:
        with open_text(path) as lines:
            for line in lines:
                if line.strip():
                    yield _listed(path, line.strip())
    except UnicodeDecodeError as error:
        raise DataError(f"'{path}' is not UTF-8 text ({error.reason}): save it again in UTF-8.") from error


def _list_csv(path: str | Path, columns: Columns) -> Iterator[Item]:
    rows = read_rows(path)
    header = next(rows)[1]
    names = [name for name in PATH_COLUMNS if name in header]
    if not names:
        near = next((hint for name in PATH_COLUMNS if (hint := suggest(name, header))), "")
        raise ConfigError(
            f"'{path}' has no column {', '.join(PATH_COLUMNS)}; its first row has {', '.join(map(repr, header))}."
            f"{near} Rename the column that holds the paths."
        )
    position = header.index(names[0])
    for line, cells in rows:
        yield _listed(path, pick(path, line, cells, [position])[0])


def _listed(table: str | Path, name: str) -> Item:
    """A path from a list: relative ones start at the list's folder; the result calls it what the list calls it."""
    return Item(name, str(table), "file", remote.joined(remote.parent_of(table), name))


LISTERS: dict[str, Callable[[str | Path, Columns], Iterator[Item]]] = {
    ".csv": _list_csv,
    ".txt": _list_text,
    ".tar": list_tar,
    ".parquet": list_parquet,
}
"""Suffix → what lists the images of such a file."""


def expand_braces(pattern: str) -> list[str]:
    """The names that a pattern with braces stands for, as in WebDataset and the shell.

    Args:
        pattern: with any number of `{a,b}` or `{first..last}`, or none.

    Example:
        >>> expand_braces("{train,val}-{08..10}.tar")
        ['train-08.tar', 'train-09.tar', 'train-10.tar', 'val-08.tar', 'val-09.tar', 'val-10.tar']
    """
    found = re.search(r"\{(?:(\d+)\.\.(\d+)|([^{}]*,[^{}]*))\}", pattern)
    if found is None or Path(pattern).exists():
        return [pattern]
    first, last, words = found.groups()
    choices = words.split(",") if words else [f"{n:0{len(first)}d}" for n in range(int(first), int(last) + 1)]
    head, tail = pattern[: found.start()], pattern[found.end() :]
    return [name for choice in choices for name in expand_braces(head + choice + tail)]
