"""Deletion and insertion: the class's probability while its heatmap's strongest pixels go, or come."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pylon_zoo.cells import CellGrid, both
from pylon_zoo.errors import ConfigError
from pylon_zoo.metrics.erasing import Classifier, all_logits, check_pairs, fill_value, groups, heatmap_order
from pylon_zoo.metrics.pairs import ACTIVATIONS
from pylon_zoo.metrics.result import MetricResult

PAIRS = ("positive", "top")


class Deletion:
    """Area under the probability curve while pixels are replaced by a substrate, strongest heatmap pixels first.

    The curve has ⌈1 ÷ step⌉ + 1 points, from the image to the substrate; its area is by trapezoids, over a width of 1.
    Smaller is better. (Petsiuk et al. 2018, "RISE", deletion; its code steps by 224 of 224² pixels and fills with 0.)
    Substrate and step change the number, so they stand in `settings`.

    Args:
        model: images (N, C, H, W) → logits (N, K), in evaluation mode; no gradients are taken.
        num_classes: K.
        step: share of the pixels per step, in (0, 1]; RISE's is 1 ÷ 224.
        substrate: `"normalised"` (0 after normalisation), `"raw"` (0 before it; needs mean and std), `"blur"`
            (Gaussian, 11 × 11, sigma 5, of the image, zeros outside, as RISE's insertion), or a value.
        mean, std: (C,) of the normalisation.
        activation: `"sigmoid"` or `"softmax"`, how logits become the probabilities of the curve.
        pairs: `"positive"`: pairs whose target is 1; `"top"`: the class with the highest logit of each image, as RISE.
        batch_size: images per forward pass.
        grid: where the heatmaps' cells lie in the images, see `pylon_zoo.cells.to_pixels`; None takes them for tiles.

    Raises:
        ConfigError: an option that does not exist or is out of range.

    Example:
        >>> metric = Deletion(lambda x: x.mean((2, 3)) * 1e4 - 5e3, 1, step=0.25)  # 1 above a mean of 0.5, then 0
        >>> areas = metric.update(torch.ones(1, 1, 2, 2), torch.eye(2).view(1, 1, 2, 2), torch.ones(1, 1))
        >>> metric.compute().macro  # 1, 1, 1/2, 0, 0
        0.5
    """

    name = "deletion"
    default_substrate: str = "normalised"

    def __init__(
        self,
        model: Classifier,
        num_classes: int,
        step: float = 1 / 224,
        substrate: str | float | Tensor | None = None,
        mean: Tensor | None = None,
        std: Tensor | None = None,
        activation: str = "sigmoid",
        pairs: str = "positive",
        batch_size: int = 32,
        grid: CellGrid | None = None,
    ) -> None:
        if num_classes < 1 or not 0 < step <= 1 or batch_size < 1:
            raise ConfigError(f"num_classes={num_classes}, step={step} in (0, 1], batch_size={batch_size}: one is off.")
        if activation not in ACTIVATIONS or activation is None:
            raise ConfigError(f"activation={activation!r} is not 'sigmoid' or 'softmax'.")
        if pairs not in PAIRS:
            raise ConfigError(f"pairs={pairs!r} is not one of {', '.join(PAIRS)}.")
        self.model, self.num_classes, self.batch_size = model, num_classes, batch_size
        self.substrate = self.default_substrate if substrate is None else substrate
        self.mean, self.std, self.grid = mean, std, grid
        self.settings: dict[str, Any] = {"step": step, "activation": activation, "pairs": pairs, "grid": grid}
        for option, value in (("substrate", self.substrate), ("mean", mean), ("std", std)):
            plain = value is None or isinstance(value, str)
            self.settings[option] = value if plain else tuple(torch.as_tensor(value).flatten().tolist())
        self.steps = math.ceil(1 / step - 1e-9)
        self.total = torch.zeros(num_classes, dtype=torch.float64)
        self.support = torch.zeros(num_classes, dtype=torch.int64)

    @torch.no_grad()
    def update(self, images: Tensor, heatmaps: Tensor, targets: Tensor) -> Tensor:
        """Measure one batch; each pair costs ⌈1 ÷ step⌉ + 1 forwards.

        Args:
            images: (N, C, H, W) normalised, on the model's device.
            heatmaps: (N, K, h, w) of any kind whose order matters.
            targets: (N, K), 1 present, 0 absent, NaN unknown; not looked at with `pairs="top"`.

        Returns:
            (N, K) float64 areas in [0, 1], NaN for pairs that do not count.

        Raises:
            DataError: shapes do not fit, or a heatmap or logit is not finite.
        """
        check_pairs(images, heatmaps, targets)
        substrate = self.make_substrate(images)
        wanted = targets.to(images.device) == 1
        if self.settings["pairs"] == "top":
            top = all_logits(self.model, images, self.num_classes, self.batch_size).argmax(dim=1, keepdim=True)
            wanted = torch.zeros_like(wanted).scatter_(1, top, True)
        owner, labels = torch.nonzero(wanted, as_tuple=True)

        areas = torch.zeros(len(owner), dtype=torch.float64)
        for some in groups(len(owner), self.batch_size):
            image, label = owner[some], labels[some]
            ranks = heatmap_order(heatmaps.to(images.device)[image, label], both(images.shape[2:]), self.grid)
            curves = torch.cat(
                [
                    self.probabilities(images[image[at]], substrate[image[at]], ranks[at], label[at], step)
                    for at, step in self.points(len(some), images.device)
                ]
            ).view(len(some), self.steps + 1)
            areas[some] = torch.trapezoid(curves.cpu().double(), dim=1) / self.steps

        labels = labels.cpu()
        self.total.index_add_(0, labels, areas)
        self.support += torch.bincount(labels, minlength=self.num_classes)
        result = torch.full(targets.shape, math.nan, dtype=torch.float64)
        result[owner.cpu(), labels] = areas
        return result

    def points(self, pairs: int, device: torch.device) -> list[tuple[Tensor, Tensor]]:
        """(pair, step) of every point of the pairs' curves, pair by pair, `batch_size` at a time."""
        every = torch.arange(pairs * (self.steps + 1), device=device)
        return [(chunk // (self.steps + 1), chunk % (self.steps + 1)) for chunk in every.split(self.batch_size)]

    def probabilities(self, images: Tensor, substrate: Tensor, ranks: Tensor, labels: Tensor, step: Tensor) -> Tensor:
        """(B,) probabilities of classes (B,) once `step` (B,) steps of pixels have changed."""
        share = (step.double() * self.settings["step"]).clamp(max=1)
        changed = (ranks < (share * ranks[0].numel()).round().view(-1, 1, 1)).unsqueeze(1)
        mixed = self.mix(images, substrate, changed)
        logits = all_logits(self.model, mixed, self.num_classes, self.batch_size)
        return ACTIVATIONS[self.settings["activation"]](logits).gather(1, labels.unsqueeze(1)).squeeze(1)

    def mix(self, images: Tensor, substrate: Tensor, changed: Tensor) -> Tensor:
        """The picture in which the pixels `changed` have had their turn."""
        return torch.where(changed, substrate, images)

    def make_substrate(self, images: Tensor) -> Tensor:
        """What pixels are replaced by, or start from: (N, C, H, W)."""
        if isinstance(self.substrate, str) and self.substrate == "blur":
            return blur(images)
        return fill_value(self.substrate, self.mean, self.std, images).expand_as(images)

    def compute(self) -> MetricResult:
        """Mean area per class in [0, 1], NaN without support; support is the number of pairs."""
        return MetricResult(self.name, self.total / self.support.double(), self.support.clone())

    def merge(self, other: Deletion) -> Deletion:
        """Add another evaluator's sums to this one.

        Raises:
            ConfigError: the two do not measure the same thing.
        """
        mine, theirs = ((type(one).__name__, one.num_classes, one.settings) for one in (self, other))
        if mine != theirs:
            raise ConfigError(f"Cannot merge curves of different options: {mine}, {theirs}.")
        self.total += other.total
        self.support += other.support
        return self


class Insertion(Deletion):
    """Area under the probability curve while the image's pixels replace a substrate, strongest heatmap pixels first.

    As `Deletion`, from the substrate to the image; larger is better. (Petsiuk et al. 2018, "RISE", insertion, whose
    substrate is the blurred image, the default here.)

    Example:
        >>> metric = Insertion(lambda x: x.mean((2, 3)) * 1e4 - 5e3, 1, step=0.25, substrate="normalised")
        >>> areas = metric.update(torch.ones(1, 1, 2, 2), torch.eye(2).view(1, 1, 2, 2), torch.ones(1, 1))
        >>> metric.compute().macro  # 0, 0, 1/2, 1, 1
        0.5
    """

    name = "insertion"
    default_substrate = "blur"

    def mix(self, images: Tensor, substrate: Tensor, changed: Tensor) -> Tensor:
        """The picture in which the pixels `changed` have come."""
        return torch.where(changed, images, substrate)


def blur(images: Tensor, width: int = 11, sigma: float = 5.0) -> Tensor:
    """Images (N, C, H, W) under a Gaussian of `width` by `width` pixels that sums to 1, zeros outside.

    Example:
        >>> round(blur(torch.ones(1, 1, 11, 11))[0, 0, 5, 5].item(), 4)
        1.0
    """
    offsets = torch.arange(width, device=images.device, dtype=images.dtype) - width // 2
    line = torch.exp(-offsets.square() / (2 * sigma**2))
    line = line / line.sum()
    flat = images.flatten(0, 1).unsqueeze(1)
    flat = functional.conv2d(flat, line.view(1, 1, -1, 1), padding=(width // 2, 0))
    return functional.conv2d(flat, line.view(1, 1, 1, -1), padding=(0, width // 2)).view_as(images)
