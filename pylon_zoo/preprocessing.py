"""The image transform that belongs to a model: any image in, the model's input out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from pylon_zoo.data.images import read_image
from pylon_zoo.data.transforms import EvalTransform
from pylon_zoo.models.heatmap_model import HeatmapModel


def preprocess(model: HeatmapModel) -> Callable[[Any], Tensor]:
    """The transform from an image of any kind and size to what the model was made for.

    Channels are converted to the model's (grey by luminance, colour by repetition), the image is squashed to the
    model's input size with antialiasing, scaled to [0, 1] and normalised with the model's mean and standard deviation.

    Args:
        model: any model of the zoo, and whatever else gives heatmaps.

    Returns:
        A function of an image (path, PIL image, array or tensor, see `pylon_zoo.data.images.read_image`) that gives a
        float32 tensor (in_chans, H, W); it raises `ImageError` for an image that cannot be read.

    Example:
        >>> import numpy as np; from pylon_zoo.models.build import build_model
        >>> preprocess(build_model("pylon_test_resnet", 2, in_chans=1))(np.zeros((50, 40), np.uint8)).shape
        torch.Size([1, 160, 160])
    """
    transform = eval_transform(model)
    return lambda image: transform.image(read_image(image))


def eval_transform(model: HeatmapModel) -> EvalTransform:
    """The same as a transform of samples, boxes included."""
    cfg = model.pretrained_cfg
    return EvalTransform(
        size=tuple(cfg["input_size"][1:]), mean=cfg["mean"], std=cfg["std"], interpolation=cfg["interpolation"]
    )
