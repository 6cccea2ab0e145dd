"""From images to what a model says about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from pylon_zoo.cells import both, grid_for
from pylon_zoo.data.images import read_image
from pylon_zoo.errors import DataError, UnknownNameError, suggest
from pylon_zoo.explanation.labels import select_labels
from pylon_zoo.explanation.result import Explanation
from pylon_zoo.explanation.thresholds import Thresholds
from pylon_zoo.models.modes import evaluating
from pylon_zoo.models.views import with_views
from pylon_zoo.placements import check_placement
from pylon_zoo.preprocessing import preprocess

if TYPE_CHECKING:
    from pylon_zoo.models.heatmap_model import HeatmapModel

SCALINGS = ("absolute", "image")


def explain(
    model: HeatmapModel,
    image: Any,
    labels: str | Iterable[str] | None = None,
    *,
    threshold: float | None = None,
    scaling: str = "absolute",
    placement: str = "exact",
    views: str = "none",
) -> Explanation:
    """Say what a model finds in an image, and where.

    The model runs in evaluation mode on the device it is on, and is left as it was.

    Args:
        model: whatever gives heatmaps (`pylon_zoo.HeatmapModel`): any classifier of this library, an
            `AttributedClassifier` of `pylon_zoo.attribution`, an exported file as an `OnnxModel`.
        image: path, PIL image, NumPy array or tensor, as `pylon_zoo.data.images.read_image` takes them; any size.
        labels: classes to explain, in this order; None is all of the model's.
        threshold: probability in (0, 1] from which on a class is found, and a place belongs to a box and lies inside
            the contour; None takes the model's own `thresholds`, and 0.5 where it has none.
        scaling: what the colours of overlays span: `"absolute"` is probabilities from 0 to 1, `"image"` is each map's
            own minimum to maximum, as in the paper's figures.
        placement: where cells of heatmaps are drawn: `"exact"` is at the pixels they look at (`model.cell_grid`),
            `"paper"` as tiles of the image, up to half a stride beside them, as in published figures.
        views: a key of `pylon_zoo.models.viewpoints.VIEWS`: `"mirror"`, `"turns"`, … average what the model says of
            several views of the image, in place; `"none"` looks at the image alone.

    Returns:
        Probabilities, heatmaps, peaks and boxes in pixels of the original image, and overlays on demand.

    Raises:
        ImageError: the image cannot be read.
        UnknownNameError: a label, a scaling or views that do not exist.
        ConfigError: a threshold outside (0, 1], another placement, or a model without heatmaps.
        DataError: the model's output holds NaN.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> explanation = explain(build_model("pylon_test_resnet", num_classes=2, in_chans=1), torch.rand(1, 48, 40))
        >>> explanation.labels, explanation.heatmaps.shape
        (('class_0', 'class_1'), torch.Size([2, 48, 40]))
    """
    explainer = Explainer(model, labels, threshold=threshold, scaling=scaling, placement=placement, views=views)
    return check_finite(explainer.run([explainer.load(image)])[0])


class LoadedImage(NamedTuple):
    """An image on its way into a model.

    Attributes:
        path: how results name it.
        image: as read, (C, H, W).
        inputs: as the model wants it, (in_chans, H', W') float32.
    """

    path: str
    image: Tensor
    inputs: Tensor


class Explainer:
    """A model with all choices made and checked, ready to explain batches of images.

    Args:
        model, labels, threshold, scaling, placement, views: as for `explain`.

    Raises:
        UnknownNameError, ConfigError: as for `explain`.
    """

    def __init__(
        self,
        model: HeatmapModel,
        labels: str | Iterable[str] | None = None,
        *,
        threshold: float | None = None,
        scaling: str = "absolute",
        placement: str = "exact",
        views: str = "none",
    ) -> None:
        if scaling not in SCALINGS:
            raise UnknownNameError(
                f"scaling={scaling!r} is not one of {', '.join(SCALINGS)}.{suggest(scaling, SCALINGS)}"
            )
        check_placement(placement)
        self.model = with_views(model, views, placement)
        self.placement = placement
        self.scaling = scaling
        self.classes = list(select_labels(labels, model.label_names))
        self.thresholds = Thresholds.chosen(threshold, self.model.thresholds, self.classes)
        self.labels = tuple(model.label_names[index] for index in self.classes)
        self._transform = preprocess(model)

    def load(self, source: Any, path: str | None = None) -> LoadedImage:
        """Read and prepare one image.

        Args:
            source: as `image` of `explain`.
            path: how results name it; None is the path itself, or nothing for an image from memory.

        Raises:
            ImageError: it cannot be read.
        """
        if path is None:
            path = str(source) if isinstance(source, str | Path) else ""
        image = read_image(source)
        return LoadedImage(path, image, self._transform(image))

    def run(self, batch: Sequence[LoadedImage]) -> list[Explanation]:
        """Explain images in one pass of the model. Results are not checked: see `check_finite`."""
        parameter = next(self.model.parameters())
        inputs = torch.stack([loaded.inputs for loaded in batch]).to(parameter.device, parameter.dtype)
        with evaluating(self.model), torch.inference_mode():
            logits, heatmaps = self.model.forward_with_heatmap(inputs)
            halves = half_logits(logits.float(), self.model.activation)
            outputs = [tensor.float().cpu() for tensor in (self.model.probabilities(logits), heatmaps, halves)]
        size = both(inputs.shape[-2:])
        grid = grid_for(self.model, size, self.placement)
        # Indexing copies, which also turns inference tensors into ordinary ones.
        probabilities, heatmaps, halves = (tensor[:, self.classes] for tensor in outputs)
        return [
            Explanation(
                path=loaded.path,
                image=loaded.image,
                labels=self.labels,
                probabilities=probabilities[i],
                native_heatmaps=heatmaps[i],
                half_logits=halves[i],
                activation=self.model.activation,
                thresholds=self.thresholds,
                scaling=self.scaling,
                unit=self.model.heatmap_unit,
                grid=None if grid is None else grid.scaled(size, both(loaded.image.shape[-2:])),
            )
            for i, loaded in enumerate(batch)
        ]


def check_finite(explanation: Explanation) -> Explanation:
    """The explanation itself, unless the model's output for it is not a number.

    Raises:
        DataError: a probability or a place of a heatmap is NaN or infinite.
    """
    for label, probability, heatmap in zip(
        explanation.labels, explanation.probabilities, explanation.native_heatmaps, strict=True
    ):
        if not (probability.isfinite() and heatmap.isfinite().all()):
            raise DataError(
                f"The model's output of {label!r} for {explanation.path or 'this image'} is not finite, so it means "
                "nothing. Check the weights; at half precision, try float32."
            )
    return explanation


def half_logits(logits: Tensor, activation: str) -> Tensor:
    """The logit that each class would need for a probability of one half, all other logits as they are.

    `sigmoid(logit - half_logit)` is then the class's probability under either activation.

    Args:
        logits: (N, K) float32.
        activation: `"sigmoid"` or `"softmax"`.

    Returns:
        (N, K): zeros for a sigmoid; for a softmax, the log-sum-exp of the other classes' logits.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0, -1.0]])
        >>> torch.allclose((logits - half_logits(logits, "softmax")).sigmoid(), logits.softmax(dim=1))
        True
    """
    if activation == "sigmoid":
        return torch.zeros_like(logits)
    others = logits.logsumexp(1, keepdim=True) + torch.log1p(-logits.softmax(1))
    # For the largest logit that difference cancels; leave it out of the sum instead.
    largest = logits.argmax(1, keepdim=True)
    rest = logits.scatter(1, largest, -torch.inf).logsumexp(1, keepdim=True)
    return others.scatter(1, largest, rest)
