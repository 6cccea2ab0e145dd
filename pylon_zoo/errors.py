"""Every error the library raises on purpose, and the way it words them.

One style: what was wrong, where (file, row, option), what to do next. Each class is also the built-in that callers of
timm, smp or the Hub would catch, and carries the command line's exit code: 2 for usage, 1 for data.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class PylonZooError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns for it.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> try:
        ...     build_model("pylon_resnet5O", 14)
        ... except PylonZooError as error:
        ...     print(type(error).__name__, error.exit_code, isinstance(error, ValueError))
        UnknownNameError 2 True
    """

    exit_code = 1


class UnknownNameError(PylonZooError, ValueError):
    """A model, tag, label, dataset, recipe or key that does not exist."""

    exit_code = 2


class ConfigError(PylonZooError, ValueError):
    """An option has a value that cannot work."""

    exit_code = 2


class DataError(PylonZooError, ValueError):
    """A dataset file does not say what it must: names the file and, where there is one, the row."""


class ImageError(DataError, OSError):
    """An image that is missing, broken, or no image at all: names the file."""


class WeightsError(PylonZooError, OSError):
    """Weights that cannot be had, or are not the bytes that were published."""


class DownloadError(PylonZooError, OSError):
    """A file of a dataset that cannot be downloaded or unpacked, or is not what was published."""


class DiskFullError(PylonZooError, OSError):
    """A disk, a quota or a file's largest size is reached: names the folder."""


class ParityError(PylonZooError, ArithmeticError):
    """An exported file that does not say what its model says; it was not kept."""


class MissingDependencyError(PylonZooError, ImportError):
    """An optional package is needed: names the package and the extra that installs it."""

    exit_code = 2


def suggest(name: str, candidates: Iterable[str], limit: int = 3) -> str:
    """The end of an error message about an unknown name: the nearest valid ones, or nothing.

    Args:
        name: what the user wrote.
        candidates: the names that would have worked.
        limit: how many to offer at most.

    Returns:
        `" Did you mean 'resnet50'?"`, with a leading blank, or `""` when nothing is near.

    Example:
        >>> suggest("resnet5O", ["resnet50", "vgg16"])
        " Did you mean 'resnet50'?"
    """
    near = get_close_matches(name, list(candidates), n=limit, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(match) for match in near)}?" if near else ""


def first_line(error: BaseException) -> str:
    """What another library's error says, in one line: the first of its message, or its kind where it has none.

    Example:
        >>> first_line(OSError("no answer.\\nTry again.")), first_line(KeyError())
        ('no answer.', 'KeyError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
