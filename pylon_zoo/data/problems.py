"""Going on after a malformed row, so that a check of a dataset reports all of them; readers stop at the first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pylon_zoo.errors import DataError

_FOUND: ContextVar[dict[str, None] | None] = ContextVar("problems", default=None)


@contextmanager
def collect_problems() -> Iterator[dict[str, None]]:
    """Inside, what `row_problems` guards is noted instead of raised, and left out of the dataset.

    Yields:
        The messages so far as keys, in order, each once: every split of a dataset reads the same tables.

    Example:
        >>> with collect_problems() as problems:
        ...     for row in (2, 3, 3):
        ...         with row_problems():
        ...             raise DataError(f"'a.csv' row {row} is wrong.")
        >>> list(problems)
        ["'a.csv' row 2 is wrong.", "'a.csv' row 3 is wrong."]
    """
    found: dict[str, None] = {}
    token = _FOUND.set(found)
    try:
        yield found
    finally:
        _FOUND.reset(token)


class RowProblems:
    """What `row_problems` gives; no generator: one for each row takes longer than reading it."""

    __slots__ = ()

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, DataError):
            return False
        found = _FOUND.get()
        if found is None:
            return False
        found[str(error)] = None
        return True


_ROW_PROBLEMS = RowProblems()


def row_problems() -> RowProblems:
    """Around the reading of one row: its `DataError` is raised, or noted inside `collect_problems`.

    Raises:
        DataError: what the row's reader raised, outside `collect_problems`.
    """
    return _ROW_PROBLEMS
