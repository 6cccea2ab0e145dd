"""Progress bars: one that counts images, one that counts bytes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from types import TracebackType
from typing import TypeVar

from tqdm import tqdm

BatchT = TypeVar("BatchT", bound=Sized)


def bar(
    batches: Iterable[BatchT],
    label: str,
    images: int,
    show: bool,
    figures: Callable[[], Mapping[str, str]] = dict,
) -> Iterator[BatchT]:
    """The same batches, with a bar on stderr: images done, images/s, time left.

    Args:
        batches: what to go through; the length of each is its number of images.
        label: in front of the bar.
        images: how many there are in all.
        show: False shows nothing.
        figures: name → value, asked for after every batch and shown behind the bar.

    Example:
        >>> list(bar(["ab", "c"], "reading", images=3, show=False))
        ['ab', 'c']
    """
    with tqdm(total=images, desc=label, unit=" images", disable=not show, leave=False, mininterval=0.5) as shown:
        for batch in batches:
            yield batch
            shown.set_postfix(figures(), refresh=False)
            shown.update(len(batch))


class ByteBar:
    """A bar on stderr that several threads move on, with sentences above it.

    Args:
        label: in front of the bar.
        total: how many bytes there are in all; None where that is not known.
        show: False shows no bar.
        notes: False swallows the sentences.

    Example:
        >>> with ByteBar("downloading", total=10, show=False) as shown:
        ...     shown.count(4)
        ...     shown.count(6)
        >>> shown.done
        10
    """

    def __init__(self, label: str, total: int | None, show: bool, notes: bool = True) -> None:
        self.done = 0
        self._notes = notes
        self._lock = threading.Lock()
        self._bar = tqdm(
            total=total, desc=label, unit="B", unit_scale=True, disable=not show, leave=False, mininterval=0.5
        )

    def __enter__(self) -> ByteBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.close()

    def count(self, size: int) -> None:
        """So many bytes more; below 0 where bytes turned out to be of no use."""
        with self._lock:
            self.done += size
            self._bar.update(size)

    def say(self, sentence: str) -> None:
        """A line above the bar."""
        if self._notes:
            with self._lock:
                tqdm.write(sentence, file=sys.stderr)
