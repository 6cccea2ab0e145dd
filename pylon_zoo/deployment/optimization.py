"""A model made for inference: the same numbers, sooner."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from pylon_zoo.cells import CellGrid
from pylon_zoo.deployment.folding import fold_norms
from pylon_zoo.deployment.head_first import with_head_first
from pylon_zoo.deployment.subset import keep_classes
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.options import check_flag, check_option

DTYPES = (None, torch.float32, torch.bfloat16, torch.float16)
PROBE_SIZE = (64, 96)  # pixels, of the image that shows how the network is wired and that the result is right
TOLERANCE = 1e-5  # of the largest absolute value; it is compared in float64, then rounded to float32


@torch.inference_mode(False)  # where the caller is in it: weights made there would be of no use outside
@torch.no_grad()
def optimize(
    model: HeatmapClassifier,
    *,
    dtype: torch.dtype | None = None,
    channels_last: bool = True,
    compile: bool = False,
    classes: Sequence[str | int] | None = None,
) -> OptimizedClassifier:
    """A copy of a model for inference alone; the model itself stays as it is.

    Batch normalisations are folded into the convolutions before them, in the encoder too, and PYLON's head is applied
    before the upsampling, where its decoder is linear. Both are exact, up to rounding, and a run on a small image in
    float64 proves it before the copy is given out. In float32 logits and heatmaps are the model's to 1e-4 of their
    largest absolute value.

    Args:
        model: any classifier of this library.
        dtype: precision of the network, `torch.bfloat16` or `torch.float16`; None keeps the model's. Logits and
            heatmaps are float32 all the same.
        channels_last: keep maps in memory with the channels of a cell side by side, which convolutions prefer.
        compile: run the network through `torch.compile`, which compiles it when the first batch of a size comes.
        classes: names or numbers of the only classes wanted, in this order; None is all. Refused for a model whose
            probabilities are a softmax, which needs all of them.

    Returns:
        A `HeatmapClassifier` in evaluation mode, on the model's device, with its labels, thresholds and input
        description. It cannot be trained, nor saved as a checkpoint.

    Raises:
        ConfigError: an option has a value that cannot work, or the copy does not give the model's numbers.
        UnknownNameError: a class that the model does not have.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> fast = optimize(build_model("pylon_test_resnet", num_classes=14), classes=["class_3", "class_1"])
        >>> logits, heatmap = fast.forward_with_heatmap(torch.zeros(1, 3, 64, 64))
        >>> logits.shape, heatmap.shape, fast.label_names
        (torch.Size([1, 2]), torch.Size([1, 2, 16, 16]), ('class_3', 'class_1'))
    """
    check_option("dtype", dtype, DTYPES)
    check_flag("channels_last", channels_last)
    check_flag("compile", compile)
    if isinstance(model, OptimizedClassifier):
        raise ConfigError(f"This {model.architecture} is optimized already. Optimize the model it was made from.")
    reference = next(model.parameters())
    plain = copy.deepcopy(model).eval().requires_grad_(False).cpu().double()  # not every device has float64
    if classes is not None:
        keep_classes(plain, classes)
    probe = _probe(plain.in_chans)
    expected = _outputs(plain, probe)
    fold_norms(plain, lambda: plain(probe))
    fast = OptimizedClassifier(plain)
    _check(plain.architecture, expected, _outputs(fast, probe))
    fast.to(reference.device)
    return fast.finish(dtype or reference.dtype, channels_last, compile)


class OptimizedClassifier(HeatmapClassifier):
    """What `optimize` gives: a classifier with all of the contract but training.

    `forward_features` gives the map that the head takes or, where the head goes before the upsampling, heatmaps.

    Args:
        plain: the folded model, which this one takes over.

    Raises:
        ConfigError: from what would train, save or change it.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> fast = optimize(build_model("pylon_test_resnet", num_classes=14))
        >>> fast.savable, fast(torch.zeros(1, 3, 64, 64)).shape
        (False, torch.Size([1, 14]))
    """

    savable = False

    def __init__(self, plain: HeatmapClassifier) -> None:
        super().__init__(plain.encoder, plain.num_classes, activation=plain.activation)
        self._has_heatmap = plain.has_heatmap
        self._num_features = plain.num_features
        if (decoder := with_head_first(plain)) is not None:
            plain.decoder, plain.head = decoder, nn.Identity()
            self._num_features = plain.num_classes
        self.decoder, self.head, self.pooling = plain.decoder, plain.head, plain.pooling
        self.global_pool = plain.global_pool
        self.heatmap_unit = plain.heatmap_unit
        self.label_names, self.thresholds = plain.label_names, plain.thresholds
        self.architecture, self.model_args = plain.architecture, plain.model_args
        self.pretrained_cfg = plain.pretrained_cfg
        # Bound methods, so that the modules they use are registered once, here.
        self._decode: Callable[[Tensor], Tensor] = plain.decode
        self._heatmap_grid: Callable[[tuple[int, int]], CellGrid] = plain.heatmap_grid
        self._layout: dict[str, Any] = {}
        self.eval()

    def finish(self, dtype: torch.dtype, channels_last: bool, compile: bool) -> OptimizedClassifier:
        """Choose precision, memory layout and compilation, see `optimize`; gives the model itself."""
        self._layout = {"dtype": dtype}
        if channels_last:
            self._layout["memory_format"] = torch.channels_last
        self.to(**self._layout)
        self.pooling.float()  # it pools float32 heatmaps
        if compile:
            self._decode = torch.compile(self._decode)
        return self

    def decode(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) through encoder and decoder, in the model's precision and memory layout."""
        return self._decode(x.to(**self._layout))

    def heatmap_grid(self, size: tuple[int, int]) -> CellGrid:
        """That of the model it was made from."""
        return self._heatmap_grid(size)

    def forward_top_k(self, x: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """All logits, but the heatmaps of each image's `k` most probable classes alone.

        Logits of a pooling need every heatmap, so this spares what comes after the model: with 1000 classes, moving
        and keeping a thousand maps an image.

        Args:
            x: normalised images (N, C, H, W).
            k: how many classes, from 1 up; the model's own number where it has fewer.

        Returns:
            Logits (N, K), the classes' numbers (N, k) int64, most probable first, and their heatmaps (N, k, h, w).

        Raises:
            ConfigError: `k` is no such number, or the model has no heatmap.

        Example:
            >>> from pylon_zoo.models.build import build_model
            >>> fast = optimize(build_model("pylon_test_resnet", num_classes=14))
            >>> [tuple(part.shape) for part in fast.forward_top_k(torch.zeros(2, 3, 64, 64), k=3)]
            [(2, 14), (2, 3), (2, 3, 16, 16)]
        """
        check_option("k", k, at_least=1)
        logits, heatmap = self.forward_with_heatmap(x)
        classes = logits.topk(min(k, self.num_classes), dim=1).indices
        return logits, classes, heatmap[torch.arange(len(x), device=x.device)[:, None], classes]

    @property
    def has_heatmap(self) -> bool:
        """Whether the model it was made from has one."""
        return self._has_heatmap

    @property
    def num_features(self) -> int:
        """Channels of what `forward_features` gives."""
        return self._num_features

    def train(self, mode: bool = True) -> Self:
        """Evaluation mode only.

        Raises:
            ConfigError: `mode` is True.
        """
        if mode:
            raise ConfigError(
                f"This {self.architecture} was optimized for inference: its normalisations are gone, so it cannot be "
                "trained. Train the model it was made from, and optimize that again."
            )
        return super().train(False)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Not of an optimized model.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            f"The head of this {self.architecture} is part of its decoder since it was optimized. Call "
            "reset_classifier on the model it was made from, and optimize that again."
        )


def _probe(in_chans: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, in_chans, *PROBE_SIZE, generator=generator, dtype=torch.float64, device="cpu")


def _outputs(model: HeatmapClassifier, images: Tensor) -> tuple[Tensor, ...]:
    return model.forward_with_heatmap(images) if model.has_heatmap else (model(images),)


def _check(architecture: str, expected: Sequence[Tensor], actual: Sequence[Tensor]) -> None:
    """Refuse a copy that differs from its model; what differs names the network, not the user."""
    worst = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(actual, expected, strict=True))
    if not worst <= TOLERANCE:
        raise ConfigError(
            f"The optimized {architecture} differs from the model by {worst:.1e} of its largest value, so it is of no "
            "use. Run the model as it is, and report the architecture, please."
        )
