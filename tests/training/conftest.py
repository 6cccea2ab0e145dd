"""A dataset that a small model learns in seconds, and a recipe to match."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.sample import Sample
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.recipe_files import recipe_from_table
from pylon_zoo.training.sections import Origin

SPOT = 12  # pixels


class Spots(LabelledDataset):
    """Grey noise with a bright or a dark spot (or both, or none), each in its box."""

    name = "spots"
    classes = ("bright", "dark")

    def __init__(self, split: str = "train", count: int = 16, side: int = 32, broken: int | None = None) -> None:
        super().__init__(split)
        self.count, self.side, self.broken = count, side, broken

    def __len__(self) -> int:
        return self.count

    def _generator(self, index: int) -> torch.Generator:
        return torch.Generator().manual_seed(index + 1000 * self.splits.index(self.split))

    def load(self, index: int) -> Sample:
        generator = self._generator(index)
        target = torch.randint(0, 2, (2,), generator=generator).float()
        image = 0.4 + 0.2 * torch.rand(1, self.side, self.side, generator=generator)
        boxes = []
        for label, value in enumerate((1.0, 0.0)):
            x, y = torch.randint(0, self.side - SPOT, (2,), generator=generator).tolist()
            if target[label]:
                image[:, y : y + SPOT, x : x + SPOT] = value
                boxes.append([label, x, y, x + SPOT - 1, y + SPOT - 1])
        if index == self.broken:
            image[0, 0, 0] = float("nan")
        boxes = torch.tensor(boxes).float().reshape(-1, 5)
        return Sample(image, target, boxes, f"{self.split}-{index}", f"{self.split}/{index}.png")

    def targets(self) -> Tensor:
        return torch.stack([self.load(index).target for index in range(self.count)])

    @property
    def patients(self) -> list[str]:
        return [f"{self.split}-{index}" for index in range(self.count)]


@pytest.fixture(scope="session")
def spots():
    """The dataset class."""
    return Spots


@pytest.fixture
def make_recipe():
    """A quick recipe with some settings changed, given as `section={key: value}`."""

    def make(**sections) -> Recipe:
        table = {
            "model": {"architecture": "pylon_test_resnet"},
            "data": {"name": "phantom", "size": 32, "augmentation": "none", "options": {"size": 32, "count": 16}},
            "optimizer": {"lr": 3e-3},
            "schedule": {"name": "cosine", "max_epochs": 2},
            "phases": {},
            "loop": {"batch_size": 8},
        }
        for section, changes in sections.items():
            table[section] = {**table.get(section, {}), **changes}
        return recipe_from_table(table, Origin("quick.toml"))

    return make
