"""The formulas: maps A (N, C, h, w) of a layer and gradients G = ∂ logit ∕ ∂ A to class heatmaps.

Comparisons of these with the packages that also have them are in `tests/attribution/test_peers.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pylon_zoo.attribution.base import Attribution, LayerCells, resized_to_largest


def weighted(weights: Tensor, activations: Tensor) -> Tensor:
    """Σ_c w_c A_c: weights (N, K, C) and maps (N, C, h, w) to (N, K, h, w)."""
    return torch.einsum("nkc,nchw->nkhw", weights, activations)


class GradCAM(Attribution):
    """Grad-CAM (Selvaraju et al. 2017, equations 1 and 2): w_c is the mean of G_c over the map.

    Example:
        >>> attribution = GradCAM(torch.nn.Identity())
        >>> attribution.maps(torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[[0.0, 4.0]]]]]))
        tensor([[[[2., 4.]]]])
    """

    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        """Maps (N, C, h, w) and gradients (N, K, C, h, w) to heatmaps (N, K, h, w)."""
        return weighted(gradients.mean(dim=(3, 4)), activations)


class GradCAMPlusPlus(Attribution):
    """Grad-CAM++ (Chattopadhay et al. 2018, equation 19): w_c = Σ α G_c, α = G² ∕ (2G² + G³ ΣA), 0 where G is.

    With `relu` the weights take the positive gradients alone, as in its paper; without, all of them, as in PYLON's
    ("we used GradCAM and GradCAM++ without ReLU"). α has poles where ΣA·G is near −2: expect single large values.

    Example:
        >>> attribution = GradCAMPlusPlus(torch.nn.Identity())
        >>> attribution.maps(torch.ones(1, 1, 1, 2), torch.tensor([[[[[0.0, 1.0]]]]]))
        tensor([[[[0.2500, 0.2500]]]])
    """

    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        """Maps (N, C, h, w) and gradients (N, K, C, h, w) to heatmaps (N, K, h, w)."""
        total = activations.sum(dim=(2, 3), keepdim=True).unsqueeze(1)
        square = gradients.square()
        # 1e-6 as in pytorch-grad-cam. Where G is 0, so is its square, and α with it.
        alpha = square / (2 * square + total * square * gradients + 1e-6)
        return weighted((alpha * (gradients.relu() if self.relu else gradients)).sum(dim=(3, 4)), activations)


class XGradCAM(Attribution):
    """XGrad-CAM (Fu et al. 2020): w_c is the mean of G_c weighted by A_c, Σ G_c A_c ∕ Σ A_c.

    Example:
        >>> attribution = XGradCAM(torch.nn.Identity())
        >>> attribution.maps(torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[[0.0, 4.0]]]]]))
        tensor([[[[3., 9.]]]])
    """

    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        """Maps (N, C, h, w) and gradients (N, K, C, h, w) to heatmaps (N, K, h, w)."""
        total = activations.sum(dim=(2, 3)).unsqueeze(1)
        # 1e-7 as in pytorch-grad-cam, for maps that are zero everywhere.
        return weighted(torch.einsum("nkchw,nchw->nkc", gradients, activations) / (total + 1e-7), activations)


class HiResCAM(Attribution):
    """HiResCAM (Draelos & Carin 2020): Σ_c G_c A_c, position by position.

    Example:
        >>> attribution = HiResCAM(torch.nn.Identity())
        >>> attribution.maps(torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[[0.0, -4.0]]]]]))
        tensor([[[[  0., -12.]]]])
    """

    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        """Maps (N, C, h, w) and gradients (N, K, C, h, w) to heatmaps (N, K, h, w)."""
        return torch.einsum("nkchw,nchw->nkhw", gradients, activations)


class LayerCAM(Attribution):
    """LayerCAM (Jiang et al. 2021): Σ_c ReLU(G_c) A_c, position by position, on any layer or on several.

    The gradients are rectified whatever `relu` says; the method is that. One layer's map is raw. Several are each
    divided by their own maximum, where that is positive, resized to the largest, and combined by the element-wise
    maximum, so the result is at most 1; the tanh(2·) that the paper puts around such maps keeps their order and is
    left out.

    Example:
        >>> attribution = LayerCAM(torch.nn.Identity())
        >>> attribution.maps(torch.tensor([[[[1.0, 3.0, 2.0]]]]), torch.tensor([[[[[0.0, -4.0, 2.0]]]]]))
        tensor([[[[0., 0., 4.]]]])
    """

    max_layers = None

    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        """Maps (N, C, h, w) and gradients (N, K, C, h, w) to heatmaps (N, K, h, w)."""
        return torch.einsum("nkchw,nchw->nkhw", gradients.relu(), activations)

    def combine(self, maps: list[Tensor], cells: Sequence[LayerCells] | None = None) -> Tensor:
        """One layer's map as it is; of several, the maximum of the scaled ones."""
        if len(maps) == 1:
            return maps[0]
        peaks = [each.amax(dim=(2, 3), keepdim=True) for each in maps]
        scaled = [each / torch.where(peak > 0, peak, 1) for each, peak in zip(maps, peaks, strict=True)]
        return torch.stack(resized_to_largest(scaled, cells)).amax(dim=0)


class RefineCAM(GradCAMPlusPlus):
    """RefineCAM (Domeniconi et al. 2026, arXiv 2605.14641): the product of Grad-CAM++ maps of several layers.

    Each is scaled to its own minimum 0 and maximum 1 and resized to the largest, so the product lies in [0, 1]; a map
    that is the same everywhere counts as 0. Needs at least two layers.

    Example:
        >>> fine, coarse = torch.tensor([[[[0.0, 1.0, 3.0, 4.0]]]]), torch.tensor([[[[5.0, 7.0]]]])
        >>> RefineCAM.combine(None, [fine, coarse])
        tensor([[[[0.0000, 0.0625, 0.5625, 1.0000]]]])
    """

    min_layers = 2
    max_layers = None

    def combine(self, maps: list[Tensor], cells: Sequence[LayerCells] | None = None) -> Tensor:
        """The product of the scaled maps."""
        return torch.stack(resized_to_largest([scaled_to_unit(each) for each in maps], cells)).prod(dim=0)


def scaled_to_unit(maps: Tensor) -> Tensor:
    """Maps (N, K, h, w), each from its own minimum 0 to its own maximum 1; constant ones are 0."""
    maps = maps - maps.amin(dim=(2, 3), keepdim=True)
    return maps / maps.amax(dim=(2, 3), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)
