"""How much of a heatmap's mass, or of its strongest pixels, lies on the finding."""

from __future__ import annotations

import torch
from torch import Tensor

from pylon_zoo.metrics.pairs import PairMetric, Pairs


class EnergyPointingGame(PairMetric):
    """Energy-based pointing game: the share of the heatmap's mass that lies inside the class's boxes or mask.

    sum of map inside ÷ sum of map, over all pixels at image size, mean over the (image, class) pairs. (Wang et al.
    2020, "Score-CAM"; Arras et al. 2022, "relevance mass accuracy", Quantus' `RelevanceMassAccuracy`.) Mass must not be
    negative, so with `activation=None` values below 0 count as 0. A map without any mass has no share; it points at
    nothing and scores 0.

    Args:
        num_classes: K.
        size: (H, W) in pixels.
        activation: as for `PointAccuracy`. A sigmoid gives every pixel some mass, 1/2 at logit 0.
        grid: as for `PairMetric`.

    Raises:
        ConfigError: as for `PointAccuracy`.

    Example:
        >>> metric = EnergyPointingGame(1, (1, 4), activation=None)
        >>> metric.update(torch.tensor([[[[1.0, 2.0, 0.0, 1.0]]]]), [torch.tensor([[0.0, 0.0, 0.0, 1.0, 0.0]])])
        >>> metric.compute().macro
        0.75
    """

    name = "energy_pointing_game"
    by_masks = True

    def score(self, pairs: Pairs) -> Tensor:
        """Shares in [0, 1], (P,)."""
        maps, truth = pairs.flat
        maps = maps.clamp(min=0)
        maps = maps / maps.amax(dim=1, keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)  # sums must not overflow
        total = maps.sum(dim=1, dtype=torch.float64)
        within = (maps * truth).sum(dim=1, dtype=torch.float64)
        return torch.where(total > 0, within / total, 0.0)


class RelevanceRank(PairMetric):
    """Relevance rank accuracy: of the n strongest pixels, n the region's size, the share that lies in the region.

    (Arras et al. 2022, "CLEVR-XAI"; Quantus' `RelevanceRankAccuracy`.) Pixels that tie at the n-th place share the
    places that are left, so a constant map scores the region's share of the image, and the order in which a picture is
    read does not matter. Regions that hold no pixel centre say nothing and have no support.

    Args:
        num_classes: K.
        size: (H, W) in pixels.
        activation: as for `PointAccuracy`; None gives the same ranks as the sigmoid where that does not saturate.
        grid: as for `PairMetric`.

    Raises:
        ConfigError: as for `PointAccuracy`.

    Example:
        >>> metric = RelevanceRank(1, (1, 4), activation=None)
        >>> metric.update(torch.tensor([[[[1.0, 2.0, 0.0, 3.0]]]]), [torch.tensor([[0.0, 0.0, 0.0, 1.0, 0.0]])])
        >>> metric.compute().macro
        0.5
    """

    name = "relevance_rank"
    by_masks = True

    def score(self, pairs: Pairs) -> Tensor:
        """Shares in [0, 1], (P,); NaN for a region without a pixel."""
        maps, truth = pairs.flat
        wanted = truth.sum(dim=1)
        places = (maps.shape[1] + 1 - wanted).clamp(max=maps.shape[1])  # from the lowest value, counted from 1
        ends = [one.kthvalue(place).values for one, place in zip(maps, places.tolist(), strict=True)]
        last = torch.stack(ends).unsqueeze(1)
        above, level = maps > last, maps == last
        left = wanted - above.sum(dim=1)
        chosen = (above & truth).sum(dim=1) + left * (level & truth).sum(dim=1).double() / level.sum(dim=1)
        return chosen / wanted
