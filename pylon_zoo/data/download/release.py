"""A release, from its servers to the folder that `--data NAME:DIR` reads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pylon_zoo.data.download.bring import Bringer
from pylon_zoo.data.download.lookup import looked_up
from pylon_zoo.data.download.patience import Watch
from pylon_zoo.data.download.plan import Task, check_space, find_parts, find_release, find_source, plan
from pylon_zoo.data.download.records import FOLDER, read_records
from pylon_zoo.data.download.table import Agreement
from pylon_zoo.data.download.threads import for_each
from pylon_zoo.data.download.writing import writing
from pylon_zoo.data.registry import shown_name
from pylon_zoo.errors import ConfigError, DiskFullError, DownloadError
from pylon_zoo.files import check_folder, make_folder
from pylon_zoo.lock import locked
from pylon_zoo.progress import ByteBar

CONNECTIONS = 4


@dataclass(frozen=True)
class Outcome:
    """What a download did.

    Attributes:
        done: files of the release that were downloaded now.
        kept: files that had been downloaded before.
        options: of the dataset, `KEY=VALUE`, each of which reads a part that was asked for; none is needed where there
            is none.
        whole: whether that is all that is downloaded by default, or more.

    Example:
        >>> Outcome(done=2, kept=10, options=("masks=false",), whole=False).options
        ('masks=false',)
    """

    done: int
    kept: int
    options: tuple[str, ...]
    whole: bool


def download(
    name: str,
    root: str | Path,
    *,
    only: Sequence[str] = (),
    source: str | None = None,
    connections: int = CONNECTIONS,
    keep_archives: bool = False,
    progress: bool = False,
    notes: bool = False,
) -> Outcome:
    """Download a release, or what is missing of it, check it, and unpack it.

    What was stopped, killed or cut off goes on where it was when the same call is made again.

    Args:
        name: of the dataset: `"nih-cxr14"`, `"voc"`, `"chestx-det"` or `"cub"`.
        root: the folder; made where it is not there.
        only: parts of the release, or shell wildcards; none is all that is downloaded by default.
        source: where to take it from; None is the first of the table.
        connections: how many files at a time.
        keep_archives: leave the archives in `root/.download` when they are unpacked.
        progress: show a bar on stderr.
        notes: say on stderr what takes longer, and why.

    Returns:
        What was done; `open_dataset(f"{name}:{root}", split)` reads the folder now.

    Raises:
        UnknownNameError: no such release, source or part.
        ConfigError: the release needs a login; or the folder cannot be one, holds another dataset's download, or is
            being written by another process.
        DiskFullError: it does not fit; what has arrived stays.
        DownloadError: a file cannot be had, or is not what was published; what has arrived stays.

    Example:
        >>> download("vindr-cxr", "data")
        Traceback (most recent call last):
        ...
        pylon_zoo.errors.ConfigError: 'vindr-cxr' needs a login: `pylon-zoo data download vindr-cxr DIR` says how.
    """
    dataset, release = find_release(name)
    source = find_source(dataset, release, source)
    if isinstance(release, Agreement):
        shown = shown_name(dataset)
        raise ConfigError(f"'{shown}' needs a login: `pylon-zoo data download {shown} DIR` says how.")
    parts = release.sources[source]
    names = find_parts(dataset, parts, only)
    check_folder(root, "DIR")
    folder = make_folder(root, "DIR")
    with writing(folder):
        (folder / FOLDER).mkdir(exist_ok=True)
    with writing(folder), locked(folder / FOLDER):
        _check_dataset(folder, dataset)
        tasks = plan(release, source, names)
        missing = _bring_all(dataset, folder, tasks, connections, keep_archives, progress, notes)
    options = tuple(dict.fromkeys(option for one in names for option in parts[one].options))
    whole = all(one in names for one, part in parts.items() if part.default)
    return Outcome(missing, len(tasks) - missing, options, whole)


def _bring_all(
    dataset: str, root: Path, tasks: Sequence[Task], connections: int, keep: bool, progress: bool, notes: bool
) -> int:
    """Everything that is not there, tables first, as they list what to unpack of archives; how many files that were."""
    stop = threading.Event()
    with ByteBar("looking up", None, show=False, notes=notes) as unseen:
        watch = Watch(unseen.count, unseen.say, stop)
        bringer = Bringer(dataset, root, keep, watch)
        missing = looked_up([task for task in tasks if not bringer.is_there(task)], watch, connections)
    have = sum(path.stat().st_size for path in (root / FOLDER).iterdir() if path.is_file())
    check_space(root, missing, have=have, at_once=connections, keep=keep)
    total = sum(task.size for task in missing) if all(task.size for task in missing) else None
    label = f"{dataset}, {len(missing)} file{'s' * (len(missing) != 1)}"
    with ByteBar(label, total, progress, notes) as bar:
        bringer = Bringer(dataset, root, keep, Watch(bar.count, bar.say, stop))

        def bring(task: Task) -> None:
            try:
                bringer.bring(task)
            except DiskFullError:
                stop.set()  # the others would run into it too
                raise

        for archives in (False, True):
            batch = [task for task in missing if (task.file.unpacking is not None) == archives]
            _raise(for_each(batch, bring, connections, stop), len(batch))
    return len(missing)


def _raise(errors: Sequence[Exception], files: int) -> None:
    """Raise what went wrong, if anything did; of several errors, the one that is in the others' way or the first."""
    if not errors:
        return
    worst = next((error for error in errors if isinstance(error, DiskFullError)), errors[0])
    if len(errors) > 1 and isinstance(worst, DownloadError):
        raise DownloadError(f"{len(errors)} of {files} files did not arrive. The first: {worst}") from worst
    raise worst


def _check_dataset(root: Path, dataset: str) -> None:
    """Raises:
    ConfigError: another dataset was downloaded to this folder.
    """
    other = next((record.dataset for record in read_records(root) if record.dataset != dataset), None)
    if other is not None:
        raise ConfigError(
            f"DIR {root} holds a download of '{shown_name(other)}', no '{shown_name(dataset)}': give another folder."
        )
