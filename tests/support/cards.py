"""A model that reads its answer off the image, and images that hold the answer."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from pylon_zoo.cells import CellGrid
from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.sample import Sample
from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.heads import ConvHead

SIDE = 32


class Cards(LabelledDataset):
    """One bright 4×4 card in three images of four: `upper` in the upper half, `lower` in the lower; each boxed.

    Image 3 of every four has no card; the last class is never there and never known.
    """

    name = "cards"
    classes = ("lower", "hidden", "upper")

    def __init__(self, split: str = "test", count: int = 8) -> None:
        super().__init__(split)
        self.count = count

    def __len__(self) -> int:
        return self.count

    def load(self, index: int) -> Sample:
        image, kind = torch.zeros(1, SIDE, SIDE), index % 4
        target, boxes = torch.tensor([0.0, float("nan"), 0.0]), torch.zeros(0, 5)
        if kind < 3:
            x, y = 4 * (index % 8), 4 * (index % 3) + (16 if kind == 0 else 0)
            image[:, y : y + 4, x : x + 4] = 1
            label = 0 if kind == 0 else 2
            target[label] = 1
            boxes = torch.tensor([[label, x, y, x + 3, y + 3]]).float()
        return Sample(image, target, boxes, str(index), f"{index}.png")

    def targets(self) -> Tensor:
        return torch.stack([self.load(index).target for index in range(self.count)])

    @property
    def patients(self) -> list[str]:
        return [str(index) for index in range(self.count)]


class RingedCards(Cards):
    """The cards, of which masks show the rim alone; the last images have none."""

    def load(self, index: int) -> Sample:
        sample = super().load(index)
        if index >= self.count // 2:
            return sample
        masks = torch.zeros(3, SIDE, SIDE, dtype=torch.bool)
        for label, x0, y0, x1, y1 in sample.boxes.long().tolist():
            masks[label, y0 : y1 + 1, x0 : x1 + 1] = True
            masks[label, y0 + 1 : y1, x0 + 1 : x1] = False
        return replace(sample, masks=masks)


class ReadsCards(nn.Module):
    """Image (N, 1, H, W) to a map (N, 2, H/4, W/4) that is bright where a card is: upper half, lower half."""

    def forward(self, images: Tensor) -> Tensor:
        cells = nn.functional.avg_pool2d(images, 4)
        upper = torch.zeros_like(cells)
        upper[..., : cells.shape[-2] // 2, :] = 1
        return torch.cat([cells * upper, cells * (1 - upper)], dim=1)


def read_cards() -> HeatmapClassifier:
    """A model with classes (Upper, Lower, other) that is always right: encoder and head replaced by arithmetic."""
    model = build_model("cam_test_resnet", 3, 1, label_names=("Upper", "Lower", "other"))
    model.encoder, model.decoder = nn.Identity(), ReadsCards()
    model.head = ConvHead(2, 3)
    model.head.weight.data = torch.tensor([[8.0, 0.0], [0.0, 8.0], [0.0, 0.0]]).view(3, 2, 1, 1)
    model.head.bias.data = torch.tensor([-4.0, -4.0, 0.0])
    model.heatmap_grid = lambda size: CellGrid((1.5, 1.5), (4.0, 4.0))
    model.pretrained_cfg |= {"input_size": (1, SIDE, SIDE), "mean": (0.0,), "std": (1.0,), "interpolation": "nearest"}
    return model
