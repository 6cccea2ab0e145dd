"""A user's code type-checks as it reads: `mypy` reads this file, pytest runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, assert_type

import pytest
import torch
from torch import Tensor, nn

import pylon_zoo as pz
from pylon_zoo.attribution import AttributedClassifier
from pylon_zoo.cells import CellGrid
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.deployment.exporting import Exported, export
from pylon_zoo.deployment.onnx_model import OnnxModel
from pylon_zoo.deployment.optimization import OptimizedClassifier
from pylon_zoo.errors import ConfigError
from pylon_zoo.evaluation import evaluate
from pylon_zoo.evaluation.result import Evaluation
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.mask_view import MaskView
from pylon_zoo.models.pylon import Pylon


def brightest(model: pz.HeatmapModel, images: Tensor) -> str:
    """What somebody writes who does not care where heatmaps are from."""
    return model.label_names[int(model.forward_heatmap(images).amax(dim=(2, 3)).argmax())]


class Corner(nn.Module):
    """Somebody's own: a class that is there where the upper left corner is bright."""

    architecture, label_names, num_classes, in_chans = "corner", ("bright",), 1, 1
    activation, heatmap_unit, has_heatmap = "sigmoid", "logit", True
    thresholds: tuple[float, ...] | None = None
    pretrained_cfg: Mapping[str, Any] = {
        "input_size": (1, 32, 32),
        "mean": (0.0,),
        "std": (1.0,),
        "interpolation": "bilinear",
    }

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_heatmap(x).amax(dim=(2, 3))

    def forward_heatmap(self, x: Tensor) -> Tensor:
        heatmap = torch.full_like(x, -4.0)
        heatmap[:, :, 0, 0] = self.scale * x[:, :, 0, 0]
        return heatmap

    def forward_with_heatmap(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self(x), self.forward_heatmap(x)

    def cell_grid(self, size: int | tuple[int, int]) -> CellGrid | None:
        return None

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()


def test_models() -> None:
    model = assert_type(pz.create_pylon("test_resnet", classes=2, in_chans=1), Pylon).eval()
    other = assert_type(pz.create_model("cam_test_resnet", num_classes=2), HeatmapClassifier)
    images = torch.zeros(1, 1, 64, 64)
    assert_type(model(images), Tensor)
    assert_type(model.forward_with_heatmap(images), tuple[Tensor, Tensor])
    assert_type(model.forward_levels(images), list[Tensor])
    assert_type(pz.smp_view(model), MaskView)
    assert_type(other.train().label_names, tuple[str, ...])
    assert_type(pz.list_models("pylon_test_*"), list[str])
    fast = assert_type(pz.optimize(model, classes=["class_1"]), OptimizedClassifier)
    assert brightest(fast, images) == "class_1"


def test_explanations_and_evaluations_of_whatever_gives_heatmaps() -> None:
    model = pz.create_pylon("test_resnet", classes=5, in_chans=1, label_names=PhantomCxr.classes[:5])
    assert_type(pz.preprocess(model), Callable[[Any], Tensor])
    attributed = assert_type(AttributedClassifier(model, "grad_cam"), AttributedClassifier)
    for one in (model, attributed, Corner()):
        explanation = assert_type(pz.explain(one, torch.zeros(1, 40, 50)), pz.Explanation)
        assert_type([finding.probability for finding in explanation.findings], list[float])
        assert explanation.heatmaps.shape == (one.num_classes, 40, 50)
    evaluation = evaluate(attributed, PhantomCxr("test", size=32, count=2), controls=False)
    assert_type(evaluation, Evaluation)
    assert_type(evaluation.auroc.macro, float)


def exported_and_explained(model: HeatmapClassifier, path: Path) -> None:
    """For mypy alone: an export takes long, and the tests of deployment make some."""
    done = assert_type(export(model, path, size=64), Exported)
    read: pz.HeatmapModel = OnnxModel(done.path)
    assert_type(pz.load_exported(done.path, backend="openvino"), OnnxModel)
    assert_type(OnnxModel(done.path)(torch.zeros(1, 3, 64, 64)), Tensor)
    assert_type(pz.tiled(model, tile=64).forward_classes(torch.zeros(1, 3, 64, 64), [0]), tuple[Tensor, Tensor])
    assert_type(pz.explain(read, torch.zeros(3, 64, 64)).heatmaps, Tensor)


def test_what_cannot_be_is_an_error_before_it_runs() -> None:
    """Were one of these lines accepted, mypy would complain of a comment that ignores nothing."""
    model = pz.create_pylon("test_resnet", classes=2)
    assert not isinstance(nn.Identity(), pz.HeatmapModel)
    with pytest.raises(AttributeError):
        pz.explain("chest.png", model)  # type: ignore[arg-type]  # the wrong way round
    with pytest.raises(AttributeError):
        pz.explain(nn.Identity(), "chest.png")  # type: ignore[arg-type]  # gives no heatmaps
    with pytest.raises(ConfigError):
        pz.optimize(model, dtype="half")  # type: ignore[arg-type]  # a word where a dtype belongs
    with pytest.raises(TypeError):
        pz.create_pylon(classes=2)  # type: ignore[call-arg]  # no backbone
