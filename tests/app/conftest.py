"""A small untrained model behind the page, and a few labelled images to look through."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pylon_zoo.app.studio import Studio
from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.sample import Sample
from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier

LABELS = ("nodule", "mass", "effusion")


class Boxed(LabelledDataset):
    """Three grey images, a box of `Mass` in each, 10 pixels lower every time."""

    name, classes = "boxed", ("Effusion", "Mass")

    def __len__(self) -> int:
        return 3

    def load(self, index: int) -> Sample:
        generator = torch.Generator().manual_seed(index)
        boxes = torch.tensor([[1.0, 8.0, 10.0 * index, 24.0, 10.0 * index + 12.0]])
        return Sample(torch.rand(1, 48, 64, generator=generator), torch.tensor([0.0, 1.0]), boxes, path=f"{index}")

    def targets(self) -> Tensor:
        return torch.tensor([[0.0, 1.0]] * 3)

    @property
    def patients(self) -> list[str]:
        return ["a", "b", "c"]


@pytest.fixture(scope="session")
def model() -> HeatmapClassifier:
    torch.manual_seed(0)
    return build_model("pylon_test_resnet", 3, in_chans=1, label_names=LABELS).eval()


@pytest.fixture(scope="session")
def other_model() -> HeatmapClassifier:
    """With two of the classes, one written otherwise."""
    torch.manual_seed(1)
    return build_model("pylon_test_resnet", 2, in_chans=3, label_names=("scratch", "MASS")).eval()


@pytest.fixture(scope="session")
def studio(model: HeatmapClassifier, other_model: HeatmapClassifier) -> Studio:
    return Studio({"small": model, "other": other_model}, Boxed("test"))
