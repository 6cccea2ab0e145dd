"""What a model says of loaded images, or why it says nothing."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from pylon_zoo.deployment.prediction.loading import Loaded
from pylon_zoo.deployment.prediction.rows import printable
from pylon_zoo.errors import PylonZooError
from pylon_zoo.explanation.explainer import Explainer, LoadedImage, check_finite
from pylon_zoo.explanation.result import Explanation


def explained(explainer: Explainer, batch: list[Loaded]) -> Iterator[tuple[Loaded, Explanation | str]]:
    """What the model says of every image of a batch, or why it says nothing.

    Args:
        explainer: of the model.
        batch: images of one size, or one image that could not be loaded.
    """
    ready = [
        LoadedImage(printable(one.key), _of_size(one.size), one.inputs)
        for one in batch
        if one.size is not None and one.inputs is not None
    ]
    if not ready:  # images that cannot be had come alone
        yield batch[0], batch[0].error
        return
    try:
        explanations = explainer.run(ready)
    except PylonZooError as error:  # images of a size the model cannot take
        yield from ((one, str(error)) for one in batch)
        return
    for one, explanation in zip(batch, explanations, strict=True):
        try:
            yield one, check_finite(explanation)
        except PylonZooError as error:
            yield one, str(error)


def _of_size(size: tuple[int, int]) -> Tensor:
    """An image of that size that takes no memory: only its height and width are asked for."""
    return torch.zeros(1, dtype=torch.uint8).expand(1, *size)
