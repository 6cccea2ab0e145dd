"""Which files a download needs, and whether the disk has room for them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pylon_zoo.data.download.agreements import AGREEMENTS
from pylon_zoo.data.download.releases import RELEASES
from pylon_zoo.data.download.table import Agreement, Part, Release, RemoteFile
from pylon_zoo.data.registry import DATASETS, shown_name
from pylon_zoo.errors import DiskFullError, UnknownNameError, suggest


@dataclass(frozen=True)
class Task:
    """A file to download.

    Attributes:
        file: the file.
        lists: files of the release that list the images to unpack; None is all.
        share: of its images that are listed, about.
        announced: its size as the server tells it, where none is published; None where it does not.
    """

    file: RemoteFile
    lists: tuple[str, ...] | None
    share: float = 1.0
    announced: int | None = None

    @property
    def size(self) -> int:
        """Bytes to download; 0 where that is not known."""
        return self.file.size or self.announced or 0

    @property
    def unpacked(self) -> int:
        """Bytes in the end, about: images hardly shrink in an archive."""
        return round(self.size * self.share)


def find_release(name: str) -> tuple[str, Release | Agreement]:
    """A dataset's release, by any of its names.

    Args:
        name: dashes and underscores are one.

    Returns:
        The name in the table, and the release, or how to get it.

    Raises:
        UnknownNameError: there is none; suggests the nearest.

    Example:
        >>> find_release("pascal-voc")[0], find_release("vindr-cxr")[0]
        ('voc', 'vindr_cxr')
    """
    releases: dict[str, Release | Agreement] = {**RELEASES, **AGREEMENTS}
    plain = name.replace("-", "_")
    for known, release in releases.items():
        if plain == known or (plain in DATASETS and DATASETS[plain] is DATASETS[known]):
            return known, release
    shown = [shown_name(known) for known in releases]
    also = " It is read with `--data` all the same, see docs/datasets.md." if plain in DATASETS else ""
    raise UnknownNameError(
        f"There is nothing to download of the name '{name}': one of {', '.join(shown)}.{also}{suggest(name, shown)}"
    )


def find_source(name: str, release: Release | Agreement, source: str | None) -> str:
    """Where to take a release from.

    Args:
        name: of the release, for messages.
        release: the release.
        source: as the user names it; None is the first.

    Raises:
        UnknownNameError: there is no such source.
    """
    sources = list(release.sources)
    if source is None:
        return sources[0]
    if source not in sources:
        raise UnknownNameError(
            f"'{shown_name(name)}' cannot be had from '{source}': one of {', '.join(sources)}."
            f"{suggest(source, sources)}"
        )
    return source


def find_parts(name: str, parts: Mapping[str, Part], only: Sequence[str]) -> list[str]:
    """The names of the parts that are meant.

    Args:
        name: of the release, for messages.
        parts: those of the source.
        only: names or shell wildcards; none is what is downloaded by default.

    Raises:
        UnknownNameError: no part of such a name; suggests the nearest.

    Example:
        >>> find_parts("voc", RELEASES["voc"].sources["oxford"], ["20*"])
        ['2012', '2007']
    """
    if not only:
        return [part for part, value in parts.items() if value.default]
    for wanted in only:
        if not any(fnmatchcase(part, wanted) for part in parts):
            raise UnknownNameError(
                f"'{shown_name(name)}' has no part '{wanted}': it has {', '.join(parts)}.{suggest(wanted, parts)}"
            )
    return [part for part in parts if any(fnmatchcase(part, wanted) for wanted in only)]


def plan(release: Release, source: str, names: Sequence[str]) -> list[Task]:
    """The files of these parts, each once, and those that list which images belong to a part.

    Args:
        release: the release.
        source: a key of its sources.
        names: of parts.

    Example:
        >>> release = RELEASES["nih_cxr14"]
        >>> [task.file.name for task in plan(release, "hub", ["test"])][:2]
        ['test_list.txt', 'images_001.zip']
    """
    parts = [release.sources[source][name] for name in names]
    lists = {part.listed_in for part in parts if part.listed_in}
    tasks = {file.name: Task(file, None) for file in release.files(source) if file.name in lists}
    for part in parts:
        for file in part.files:
            own = Task(file, None if part.listed_in is None else (part.listed_in,), part.share)
            tasks[file.name] = _both(tasks[file.name], own) if file.name in tasks else own
    return list(tasks.values())


def check_space(root: Path, tasks: Sequence[Task], *, have: int, at_once: int, keep: bool) -> None:
    """See to it that the disk can take what comes, as far as sizes are known.

    Args:
        root: the folder, which exists.
        tasks: what is to be downloaded.
        have: bytes of it that lie there already.
        at_once: how many archives lie there at a time; each is removed when it is unpacked.
        keep: archives stay.

    Raises:
        DiskFullError: it cannot.
    """
    archives = sorted((task.size for task in tasks if task.file.unpacking), reverse=True)
    waiting = max(sum(archives if keep else archives[:at_once]) - have, 0)
    needed = waiting + sum(task.unpacked for task in tasks)
    free = shutil.disk_usage(root).free
    if needed > free:
        raise DiskFullError(
            f"{root} has {in_bytes(free)} free, and this takes about {in_bytes(needed)}: {in_bytes(waiting)} of "
            f"archives and {in_bytes(needed - waiting)} of files. Free some space, give another folder, or name fewer "
            "parts with `--only`."
        )


def in_bytes(size: int) -> str:
    """A size in words.

    Example:
        >>> in_bytes(1_999_639_040), in_bytes(92_400)
        ('2.0 GB', '92.4 kB')
    """
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"


def _both(one: Task, other: Task) -> Task:
    """A file that two parts need."""
    if one.lists == other.lists:
        return one
    if one.lists is None or other.lists is None:
        return Task(one.file, None)
    lists = tuple(dict.fromkeys((*one.lists, *other.lists)))
    return Task(one.file, lists, min(one.share + other.share, 1.0))
