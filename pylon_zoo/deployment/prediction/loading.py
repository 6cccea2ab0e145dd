"""Items to tensors, ahead of the model and in order, and tensors to batches of one size each."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pylon_zoo.cells import both
from pylon_zoo.data.transforms import EvalTransform
from pylon_zoo.deployment.prediction.items import Item, file_of, open_item
from pylon_zoo.errors import PylonZooError
from pylon_zoo.explanation.dicom.source import Source, read_source

AHEAD = 2
"""Batches that are loaded, or being loaded, before the model asks for them."""
HELD = 4
"""Batches' worth of images that wait, with `native_size`, for others of their size."""


class Loaded(NamedTuple):
    """An image on its way into a model, or why there is none.

    Attributes:
        number: the row of the result.
        key, source: as of the item.
        size: (H, W) of the original; None with an error.
        inputs: (in_chans, H', W') float32, as the model wants it; None with an error.
        error: empty when all went well.
        identity: whose image it is, where that was asked for and is known.
        no_identity: why it is not known.
    """

    number: int
    key: str
    source: str
    size: tuple[int, int] | None = None
    inputs: Tensor | None = None
    error: str = ""
    identity: Source | None = None
    no_identity: str = ""


@dataclass(frozen=True)
class Loader(Dataset[Loaded]):
    """Items → `Loaded`, never raising for what is wrong with an image.

    Args:
        transform: the model's.
        native_size: leave every image the height and width it has.
        identities: find out whose images they are, as DICOM files say it.
    """

    transform: EvalTransform
    native_size: bool = False
    identities: bool = False

    def __getitem__(self, item: Item) -> Loaded:
        try:
            image = open_item(item)
            size = both(image.shape[-2:])
            transform = replace(self.transform, size=size) if self.native_size else self.transform
            loaded = Loaded(item.number, item.key, item.source, size, transform.image(image))
        except PylonZooError as error:
            return Loaded(item.number, item.key, item.source, error=str(error))
        return _identified(loaded, item) if self.identities else loaded


def _identified(loaded: Loaded, item: Item) -> Loaded:
    """The image with its identity, or why it has none."""
    try:
        return loaded._replace(identity=read_source(file_of(item)))
    except PylonZooError as error:
        return loaded._replace(no_identity=str(error))


def load(items: Iterable[Item], loader: Loader, batch_size: int, workers: int) -> Iterator[Loaded]:
    """Images in the order of items, loaded ahead by a thread or by worker processes; how far ahead is bounded.

    Args:
        items: in any number; drawn as they are needed.
        loader: opens and prepares each.
        batch_size: what `AHEAD` counts in.
        workers: processes; 0 is a thread of this one.
    """
    if not workers:
        return in_thread(map(loader.__getitem__, items), AHEAD * batch_size)
    each = -(-AHEAD * batch_size // workers)
    # What a DataLoader calls indices may be anything: here it is the items themselves.
    return iter(
        DataLoader(loader, None, sampler=items, num_workers=workers, collate_fn=_as_it_is, prefetch_factor=max(each, 2))
    )


def _as_it_is(loaded: Any) -> Any:  # one image: torch's list of them is what a batch would give
    return loaded


def in_thread(values: Iterable[Any], ahead: int) -> Iterator[Any]:
    """The same values, drawn by a thread, at most `ahead` of them early.

    An exception in `values` is raised here, in its place. The thread ends when this iterator is closed.

    Example:
        >>> list(in_thread(range(5), ahead=2))
        [0, 1, 2, 3, 4]
    """
    waiting: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(ahead)
    closed = threading.Event()
    end = object()

    def put(value: Any, error: BaseException | None = None) -> None:
        while not closed.is_set():
            with suppress(queue.Full):
                waiting.put((value, error), timeout=0.1)
                return

    def draw() -> None:
        try:
            for value in values:
                if closed.is_set():
                    return
                put(value)
            put(end)
        except BaseException as error:
            put(end, error)

    thread = threading.Thread(target=draw, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            value, error = waiting.get()
            if error is not None:
                raise error
            if value is end:
                return
            yield value
    finally:
        closed.set()
        thread.join()


def batches(loaded: Iterable[Loaded], batch_size: int, rows_per_part: int) -> Iterator[list[Loaded]]:
    """Images of equal size together; those without an image alone.

    Which images make a batch depends on nothing but the part they belong to, so that a part comes out the same
    whichever process computes it, and whenever.

    Args:
        loaded: in order of `number`.
        batch_size: most images in a batch. No more than `HELD` times as many wait for others of their size.
        rows_per_part: no batch holds images of two parts.
    """
    buckets: dict[tuple[int, ...], list[Loaded]] = {}
    part = -1
    for one in loaded:
        if one.number // rows_per_part != part:
            yield from buckets.values()
            buckets, part = {}, one.number // rows_per_part
        if one.inputs is None:
            yield [one]
            continue
        bucket = buckets.setdefault(tuple(one.inputs.shape), [])
        bucket.append(one)
        if len(bucket) == batch_size or sum(map(len, buckets.values())) == HELD * batch_size:
            yield buckets.pop(max(buckets, key=lambda shape: len(buckets[shape])))
    yield from buckets.values()
