"""What every model of the zoo is: images in, class heatmaps out, heatmaps pooled to logits.

images (N, C, H, W) → encoder → pyramid of maps → decoder → heatmap (N, K, h, w) → pooling → logits (N, K)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from pylon_zoo.cells import CellGrid
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.heads import ConvHead, MlpHead
from pylon_zoo.models.notebook import model_html
from pylon_zoo.models.options import as_pair
from pylon_zoo.models.pooling import build_pooling

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "softmax": lambda logits: logits.softmax(dim=1),
}
NORM_STATS = ("move", "stay")


class HeatmapClassifier(nn.Module):
    """A classifier whose logits are a pooling of its class heatmaps. Subclasses set `decoder` and `head`.

    Args:
        encoder: the backbone.
        num_classes: K.
        pooling: a key of `pylon_zoo.models.pooling.POOLINGS`.
        pooling_kwargs: its options.
        activation: `"sigmoid"` or `"softmax"`.

    Attributes:
        encoder: the `Backbone`; images → pyramid of maps, coarse to fine.
        decoder: pyramid → one map (N, `num_features`, h, w).
        features: the decoder's map passes through here unchanged; the layer that Grad-CAM and its kin look at.
        head: map → raw class logits (N, K, h, w); `nn.Identity` without classes.
        pooling: (N, K, h, w) → (N, K).
        global_pool: its name, timm's word for it.
        activation: how logits become probabilities, `"sigmoid"` or `"softmax"`.
        heatmap_unit: what a heatmap's values are: `"logit"`, of each place alone.
        label_names: K names, `class_0` … when nobody gave any.
        thresholds: K probabilities from which on a class counts as found, or None where nobody chose any.
        pretrained_cfg: timm's description of the input: `input_size`, `mean`, `std`, `interpolation`, ….
        architecture, model_args: the name and the options that build this model again.
        savable: whether they do, so that a checkpoint can be loaded again; not after `pylon_zoo.optimize`.

    Raises:
        UnknownNameError: no such pooling, or one of its options.
        ConfigError: no such activation, or an option's value that cannot work.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> model = build_model("pylon_test_resnet", num_classes=14).eval()
        >>> logits, heatmap = model.forward_with_heatmap(torch.zeros(2, 3, 64, 96))
        >>> logits.shape, heatmap.shape
        (torch.Size([2, 14]), torch.Size([2, 14, 16, 24]))
        >>> torch.equal(model(torch.zeros(2, 3, 64, 96)), heatmap.amax(dim=(2, 3)))
        True
    """

    encoder: Backbone
    decoder: nn.Module
    head: nn.Module
    _model_args: dict[str, Any]  # timm's own record of the options, where timm made the model
    heatmap_unit = "logit"
    savable = True
    if TYPE_CHECKING:  # torch says no more than that a module can be called

        def __call__(self, x: Tensor) -> Tensor: ...

    def __init__(
        self,
        encoder: Backbone,
        num_classes: int,
        *,
        pooling: str = "max",
        pooling_kwargs: Mapping[str, Any] | None = None,
        activation: str = "sigmoid",
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ConfigError(f"activation={activation!r} is not one of {', '.join(ACTIVATIONS)}.")
        self.encoder = encoder
        self.in_chans = encoder.in_chans
        self.num_classes = num_classes
        self.features = nn.Identity()
        self.pooling = build_pooling(pooling, **(pooling_kwargs or {}))
        self.global_pool = pooling
        self.activation = activation
        self.label_names: tuple[str, ...] = default_label_names(num_classes)
        self.thresholds: tuple[float, ...] | None = None
        self.architecture = ""
        self.model_args: dict[str, Any] = {}
        self.pretrained_cfg: dict[str, Any] = {}
        self._frozen_norm_stats = "move"

    # -- images to heatmaps to logits -----------------------------------------------------------------------------

    def forward_features(self, x: Tensor) -> Tensor:
        """The decoder's map, before the head.

        Args:
            x: normalised images (N, C, H, W), any H and W from 32 up.

        Returns:
            (N, `num_features`, h, w).

        Raises:
            ConfigError: `x` is not a batch of images with the model's channel count.
        """
        if x.ndim != 4 or x.shape[1] != self.in_chans:
            raise ConfigError(
                f"The input has shape {tuple(x.shape)}, but {self.architecture or type(self).__name__} takes "
                f"(N, {self.in_chans}, H, W). Build it with in_chans={x.shape[1] if x.ndim == 4 else '…'} or convert "
                "the images: pylon_zoo.preprocess(model) does."
            )
        features: Tensor = self.features(self.decode(x))
        return features

    def decode(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) through encoder and decoder; where a subclass differs from that, it says so here."""
        out: Tensor = self.decoder(self.encoder(x))
        return out

    def heatmap_from_features(self, features: Tensor) -> Tensor:
        """Raw class logits (N, K, h, w), float32 whatever the precision of `features` (N, C, h, w)."""
        self._check_heatmap()
        heatmap: Tensor = self.head(features)
        return heatmap.float()

    def _check_heatmap(self) -> None:
        if not self.has_heatmap:
            reason = (
                "has no classes (reset_classifier)"
                if self.num_classes == 0
                else "has an MLP head, which mixes positions"
            )
            raise ConfigError(f"{self.architecture or type(self).__name__} {reason}, so it has no heatmap.")

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits from the decoder's map, as in timm.

        Args:
            features: (N, `num_features`, h, w) of `forward_features`.
            pre_logits: return the pooled map (N, `num_features`) instead.

        Returns:
            (N, K) float32 logits, or the pooled map.
        """
        if pre_logits or self.num_classes == 0:
            return self._pooled(features.float())
        if isinstance(self.head, MlpHead):
            logits: Tensor = self.head(self._pooled(features.float()).to(features.dtype))
            return logits.float()
        return self._pooled(self.heatmap_from_features(features))

    def _pooled(self, maps: Tensor) -> Tensor:
        """Maps (N, C, h, w) to (N, C)."""
        pooled: Tensor = self.pooling(maps)
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K), float32, of normalised images (N, C, H, W)."""
        return self.forward_head(self.forward_features(x))

    def forward_heatmap(self, x: Tensor) -> Tensor:
        """Class heatmaps at the decoder's own resolution: raw logits, neither scaled nor clipped.

        Args:
            x: normalised images (N, C, H, W).

        Returns:
            (N, K, h, w) float32.

        Raises:
            ConfigError: the model has no heatmap (an MLP head of two or more layers, or no classes).
        """
        return self.heatmap_from_features(self.forward_features(x))

    def forward_with_heatmap(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and heatmap (N, K, h, w), both float32, from one pass."""
        heatmap = self.forward_heatmap(x)
        return self._pooled(heatmap), heatmap

    def cell_grid(self, size: int | tuple[int, int]) -> CellGrid:
        """Which pixels the heatmap's cells are centred on; `pylon_zoo.cells.to_pixels` draws by it.

        Args:
            size: pixels of the images, square or (H, W).

        Returns:
            First cell and step, each (vertical, horizontal), in pixels of the input.

        Raises:
            ConfigError: the model has no heatmap, or cannot take that size.
        """
        self._check_heatmap()
        return self.heatmap_grid(as_pair("size", size))

    def heatmap_grid(self, size: tuple[int, int]) -> CellGrid:
        """`cell_grid` of images (H, W); of the coarsest level, unless a subclass says otherwise."""
        return self.encoder.cell_grids(size)[0]

    def first_conv(self) -> tuple[str, ...]:
        """Names of the layers that take the images; several where stems run side by side."""
        return tuple(f"encoder.{name}" for name in self.encoder.first_conv())

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits (N, K) to probabilities (N, K), float32 in [0, 1], by the model's own activation."""
        return ACTIVATIONS[self.activation](logits.float())

    @property
    def has_heatmap(self) -> bool:
        """Whether `forward_heatmap` works: not with an MLP head of two or more layers, nor without classes."""
        return isinstance(self.head, ConvHead)

    def _repr_html_(self) -> str:
        """How a notebook shows it: a table; `repr` is PyTorch's list of layers."""
        return model_html(self)

    # -- timm's classifier interface --------------------------------------------------------------------------------

    @property
    def num_features(self) -> int:
        """Channels of the decoder's map (timm's name)."""
        raise NotImplementedError

    @property
    def head_hidden_size(self) -> int:
        """Channels that enter the head (timm's name); the same as `num_features`."""
        return self.num_features

    @property
    def default_cfg(self) -> dict[str, Any]:
        """timm's old name for `pretrained_cfg`."""
        return self.pretrained_cfg

    def build_head(self, num_classes: int) -> nn.Module:
        """A new head of this model's kind with that many classes."""
        return ConvHead(self.num_features, num_classes)

    def get_classifier(self) -> nn.Module:
        """The head."""
        return self.head

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the head by a fresh one; with 0 classes `forward` gives the pooled map (N, `num_features`).

        Args:
            num_classes: number of classes of the new head.
            global_pool: a key of `pylon_zoo.models.pooling.POOLINGS`; None keeps the present pooling.
        """
        if global_pool is not None:
            self.pooling = build_pooling(global_pool)
            self.global_pool = global_pool
            self.model_args["pooling"] = global_pool
            self.model_args.pop("pooling_kwargs", None)
            for option in ("pooling", "pooling_kwargs"):  # timm's own record; its exports add the present name
                getattr(self, "_model_args", {}).pop(option, None)
        if num_classes != self.num_classes:
            self.label_names = default_label_names(num_classes)
        self.thresholds = None  # they belong to the head that goes
        self.num_classes = num_classes
        reference = next(self.encoder.parameters())
        head = self.build_head(num_classes) if num_classes else nn.Identity()
        self.head = head.to(device=reference.device, dtype=reference.dtype).train(self.training)
        self.pooling.to(reference.device)
        self.pretrained_cfg["num_classes"] = num_classes

    def set_labels(self, label_names: Sequence[str]) -> None:
        """Name the classes.

        Raises:
            ConfigError: not exactly one distinct name per class.
        """
        if isinstance(label_names, str):
            raise ConfigError(f"label_names={label_names!r} is one text; give a list with one name per class.")
        names = tuple(str(name) for name in label_names)
        if len(names) != self.num_classes or len(set(names)) != len(names):
            raise ConfigError(
                f"{len(names)} label names ({len(set(names))} distinct) were given for {self.num_classes} classes; "
                "give one distinct name per class."
            )
        self.label_names = names

    def set_thresholds(self, thresholds: Sequence[float]) -> None:
        """Say from which probability on each class counts as found; kept with the weights.

        Raises:
            ConfigError: not exactly one number in (0, 1) per class.
        """
        values = tuple(thresholds)
        if len(values) != self.num_classes or not all(isinstance(one, (int, float)) and 0 < one < 1 for one in values):
            raise ConfigError(f"thresholds={values!r} is not one probability in (0, 1) for each of {self.num_classes}.")
        self.thresholds = tuple(map(float, values))

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Trade compute for memory in the encoder; outputs and gradients stay equal."""
        self.encoder.set_grad_checkpointing(enable)

    def group_matcher(self, coarse: bool = False) -> Callable[[str], int]:
        """Parameter name → depth, for timm's layer-wise learning rates; decoder and head are the deepest.

        Args:
            coarse: one group per child of the encoder instead of one per block.
        """
        depth_of = self.encoder.depths(coarse)
        last = max(depth_of.values(), default=0) + 1

        def depth(name: str) -> int:
            if not name.startswith("encoder."):
                return last
            path = name.removeprefix("encoder.")
            return max(
                (d for prefix, d in depth_of.items() if path.startswith(prefix + ".") or path == prefix), default=0
            )

        return depth

    def no_weight_decay(self) -> set[str]:
        """Parameters the encoder asks to exempt from weight decay, under their names in this model."""
        return {f"encoder.{name}" for name in self.encoder.no_weight_decay()}

    # -- fine-tuning ------------------------------------------------------------------------------------------------

    def freeze_encoder(self, norm_stats: str = "move") -> None:
        """Stop training the encoder (phase 1 of the paper's two-phase fine-tuning); survives `model.train()`.

        Args:
            norm_stats: `"move"`: BatchNorm statistics still follow the data, as in the paper; `"stay"`: they do not.

        Raises:
            ConfigError: neither of the two.
        """
        if norm_stats not in NORM_STATS:
            raise ConfigError(f"norm_stats={norm_stats!r} is not one of {', '.join(NORM_STATS)}.")
        self.encoder.requires_grad_(False)
        self._frozen_norm_stats = norm_stats
        self.train(self.training)

    def unfreeze_encoder(self) -> None:
        """Train the encoder again (phase 2)."""
        self.encoder.requires_grad_(True)
        self._frozen_norm_stats = "move"
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """As in PyTorch, except that an encoder frozen with `norm_stats="stay"` keeps its norms in eval mode."""
        super().train(mode)
        if self._frozen_norm_stats == "stay":
            for layer in self.encoder.modules():
                if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                    layer.eval()
        return self


def default_label_names(num_classes: int) -> tuple[str, ...]:
    """`class_0` … for classes nobody named."""
    return tuple(f"class_{index}" for index in range(num_classes))
