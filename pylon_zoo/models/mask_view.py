"""A classifier as a segmentation model: the same weights, seen the way segmentation-models-pytorch shows its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from pylon_zoo.cells import grid_for, to_pixels
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.placements import check_placement


class MaskView(nn.Module):
    """Heatmaps as masks at input size, with smp's names: `encoder`, `decoder`, `segmentation_head`, `predict`.

    The three parts are the model's own, not copies: what is trained here is trained there.

    Args:
        model: any model with a heatmap.
        placement: where the heatmap's cells are drawn, as for `pylon_zoo.explain`.

    Attributes:
        encoder, decoder, segmentation_head: the model's encoder, decoder and head.

    Raises:
        ConfigError: the model has no heatmap, or no such placement.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> view = MaskView(build_model("pylon_test_resnet", 2))
        >>> view.predict(torch.zeros(1, 3, 64, 48)).shape
        torch.Size([1, 2, 64, 48])
    """

    if TYPE_CHECKING:  # torch says no more than that a module can be called

        def __call__(self, x: Tensor) -> Tensor: ...

    def __init__(self, model: HeatmapClassifier, placement: str = "exact") -> None:
        super().__init__()
        check_placement(placement)
        if not model.has_heatmap:
            raise ConfigError(
                f"{model.architecture} has no heatmap, so it gives no mask. Build it with a heatmap head."
            )
        self.encoder = model.encoder
        self.decoder = model.decoder
        self.segmentation_head = model.head
        self.placement = placement
        # In a tuple, so that its parameters are not registered a second time.
        self._model = (model,)

    def forward(self, x: Tensor) -> Tensor:
        """Raw class logits at input size.

        Args:
            x: normalised images (N, C, H, W).

        Returns:
            (N, K, H, W) float32, bilinear from the heatmap.
        """
        size = (x.shape[2], x.shape[3])
        return to_pixels(self._model[0].forward_heatmap(x), size, grid_for(self._model[0], size, self.placement))

    @torch.inference_mode()
    def predict(self, x: Tensor) -> Tensor:
        """`forward` in evaluation mode, without gradients, as in smp; the mode is left at evaluation."""
        self.eval()
        return self(x)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the model and with it of its parts, so that a frozen encoder stays as it is."""
        self.training = mode
        self._model[0].train(mode)
        return self

    def freeze_encoder(self, **options: Any) -> None:
        """Stop training the encoder, as in smp: its statistics stay too, unless told otherwise.

        Args:
            options: of `HeatmapClassifier.freeze_encoder`.
        """
        self._model[0].freeze_encoder(**{"norm_stats": "stay", **options})

    def unfreeze_encoder(self) -> None:
        """Train the encoder again."""
        self._model[0].unfreeze_encoder()


def smp_view(model: HeatmapClassifier, placement: str = "exact") -> MaskView:
    """A model of the zoo as a segmentation model in the manner of smp, weights shared.

    Args:
        model: any model with a heatmap.
        placement: where the heatmap's cells are drawn, as for `pylon_zoo.explain`.

    Returns:
        A module whose `forward` gives masks (N, K, H, W), raw logits at input size, ready for smp's losses and loops.

    Raises:
        ConfigError: the model has no heatmap (an MLP head, or no classes), or no such placement.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> smp_view(build_model("pylon_test_resnet", 2))(torch.zeros(1, 3, 64, 48)).shape
        torch.Size([1, 2, 64, 48])
    """
    return MaskView(model, placement)
