"""A progress bar that counts images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
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
