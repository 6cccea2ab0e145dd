"""A model made for inference: the same numbers, sooner."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from pylon_zoo.cells import CellGrid
from pylon_zoo.deployment.cuda_graphs import Graphs
from pylon_zoo.deployment.folding import fold_norms
from pylon_zoo.deployment.head_first import with_head_first
from pylon_zoo.deployment.on_demand import pooled_logits, some_maps
from pylon_zoo.deployment.subset import class_indices, keep_classes
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.heads import ConvHead
from pylon_zoo.models.options import check_flag, check_option

MODES = ("throughput", "latency")
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
    mode: str = "throughput",
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
        mode: `"latency"` replays the network as a CUDA graph, for models on a GPU and few images at once: one graph for
            each of the last eight sizes, captured when the first images of that size come. With `compile`, of compiled
            kernels. Images that need a gradient go the usual way.

    Returns:
        A `HeatmapClassifier` in evaluation mode, on the model's device, with its labels, thresholds and input
        description. It cannot be trained, nor saved as a checkpoint.

    Raises:
        ConfigError: an option has a value that cannot work, `mode="latency"` for a model that is not on a GPU, or the
            copy does not give the model's numbers.
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
    check_option("mode", mode, MODES)
    if isinstance(model, OptimizedClassifier):
        raise ConfigError(f"This {model.architecture} is optimized already. Optimize the model it was made from.")
    reference = next(model.parameters())
    if mode == "latency" and reference.device.type != "cuda":
        raise ConfigError(
            f"mode='latency' replays CUDA graphs, but the model is on {reference.device}: move it to a GPU before, or "
            "on a processor export it for pylon_zoo.load_exported(…, backend='openvino')."
        )
    plain = copy.deepcopy(model).eval().requires_grad_(False).cpu().double()  # not every device has float64
    if classes is not None:
        keep_classes(plain, classes)
    probe = _probe(plain.in_chans)
    expected = _outputs(plain, probe)
    fold_norms(plain, lambda: plain(probe))
    fast = OptimizedClassifier(plain)
    _check(plain.architecture, expected, _outputs(fast, probe))
    fast.to(reference.device)
    return fast.finish(dtype or reference.dtype, channels_last, compile, mode)


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
        self._graphs: Graphs | None = None
        self.eval()

    def finish(
        self, dtype: torch.dtype, channels_last: bool, compile: bool, mode: str = "throughput"
    ) -> OptimizedClassifier:
        """Choose precision, memory layout, compilation and mode, see `optimize`; gives the model itself."""
        self._layout = {"dtype": dtype}
        if channels_last:
            self._layout["memory_format"] = torch.channels_last
        self.to(**self._layout)
        self.pooling.float()  # it pools float32 heatmaps
        if compile:
            self._decode = torch.compile(self._decode)
        if mode == "latency":
            self._decode = self._graphs = Graphs(self._decode, self._layout)
            self._layout = {}  # a graph's own memory has it
        return self

    def over_tiles(
        self, decode: Callable[[OptimizedClassifier, dict[str, Any]], Callable[[Tensor], Tensor]]
    ) -> OptimizedClassifier:
        """Let what `decode` makes of this model and its layout take the images, see `tiled`; gives the model itself."""
        self._decode, self._layout = decode(self, self._layout), {}
        return self

    def decode(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) through encoder and decoder, in the model's precision and memory layout."""
        return self._decode(x.to(**self._layout))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """As in PyTorch, for `to` and its like; graphs, which read weights where they were, are forgotten."""
        if self._graphs is not None:
            self._graphs.clear()
        moved: Self = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch's, which types only its ends
        return moved

    def heatmap_grid(self, size: tuple[int, int]) -> CellGrid:
        """That of the model it was made from."""
        return self._heatmap_grid(size)

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """As of any model; where the head comes after the upsampling, some maps are in memory at a time."""
        if pre_logits or not isinstance(self.head, ConvHead):
            return super().forward_head(features, pre_logits)
        return pooled_logits(self.head, features, self.pooling)

    def forward_classes(self, x: Tensor, classes: Sequence[str | int]) -> tuple[Tensor, Tensor]:
        """All logits, but the heatmaps of some classes alone, the same ones for every image.

        Args:
            x: normalised images (N, C, H, W).
            classes: names or numbers of k classes, each once.

        Returns:
            Logits (N, K), and heatmaps (N, k, h, w) in the order asked for, both float32.

        Raises:
            UnknownNameError: a class that the model does not have.
            ConfigError: none, or one twice, or the model has no heatmap.

        Example:
            >>> from pylon_zoo.models.build import build_model
            >>> fast = optimize(build_model("pylon_test_resnet", num_classes=200))
            >>> [tuple(part.shape) for part in fast.forward_classes(torch.zeros(2, 3, 64, 64), ["class_7", 150])]
            [(2, 200), (2, 2, 16, 16)]
        """
        chosen = class_indices(classes, self.label_names)
        features = self.forward_features(x)
        wanted = torch.tensor(chosen, device=features.device)
        return self.forward_head(features), self._maps(features, wanted.expand(len(features), -1))

    def forward_top_k(self, x: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """All logits, but the heatmaps of each image's `k` most probable classes alone.

        A logit needs its heatmap, but only until it is pooled: with 1000 classes, 128 maps of an image are in memory at
        a time, and `k` stay.

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
        features = self.forward_features(x)
        logits = self.forward_head(features)
        classes = logits.topk(min(k, self.num_classes), dim=1).indices
        return logits, classes, self._maps(features, classes)

    def _maps(self, features: Tensor, classes: Tensor) -> Tensor:
        """The heatmaps (N, k, h, w) of classes (N, k), each image its own."""
        self._check_heatmap()
        if not isinstance(self.head, ConvHead):  # the features are the heatmaps
            return features.float()[torch.arange(len(features), device=features.device)[:, None], classes]
        pairs = zip(features.split(1), classes, strict=True)
        return torch.cat([some_maps(self.head, one, wanted) for one, wanted in pairs])

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
