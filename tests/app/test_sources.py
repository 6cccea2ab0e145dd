from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from time import sleep

import pytest
import torch
from torch import Tensor

from pylon_zoo.app.sources import METHODS, OneAtATime, open_sources
from pylon_zoo.errors import ConfigError
from pylon_zoo.explanation.explainer import explain
from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.heatmap_model import HeatmapModel


def test_every_model_and_every_method_of_it(model: HeatmapClassifier) -> None:
    sources = open_sources({"one": model, "two": model})
    assert list(sources)[:3] == ["one", "two", "one · grad_cam"]
    assert len(sources) == 2 + 2 * len(METHODS)
    assert all(isinstance(source, HeatmapModel) for source in sources.values())


def test_a_model_without_heatmaps_is_refused_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match="'mlp' has no heatmaps, and they are what the app shows") as told:
        open_sources({"mlp": build_model("pylon_test_resnet", 2, head_mlp_layers=2)})
    assert "\n" not in str(told.value)


def test_it_says_what_the_model_says(model: HeatmapClassifier) -> None:
    image = torch.rand(1, 40, 40)
    found, expected = explain(open_sources({"m": model})["m"], image), explain(model, image)
    assert found.probabilities.equal(expected.probabilities)
    assert found.native_heatmaps.equal(expected.native_heatmaps)
    assert found.grid == expected.grid


def test_levels_and_bias_add_up_to_the_heatmap(model: HeatmapClassifier) -> None:
    source = open_sources({"m": model})["m"]
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([1.0, -2.0, 3.0]))
        images = torch.rand(1, 1, 64, 64)
        levels, heatmap = source.forward_levels(images), source.forward_heatmap(images)
    assert levels is not None
    assert torch.allclose(sum(levels) + model.head.bias[:, None, None], heatmap, atol=1e-5)
    with torch.no_grad():
        model.head.bias.zero_()


def test_a_method_has_no_levels(model: HeatmapClassifier) -> None:
    assert open_sources({"m": model})["m · grad_cam"].forward_levels(torch.rand(1, 1, 64, 64)) is None


def test_one_at_a_time(model: HeatmapClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = [], []

    def watched(x: Tensor) -> Tensor:
        inside.append(x)
        most.append(len(inside))
        sleep(0.01)
        inside.pop()
        return x

    source = OneAtATime(model, Lock())
    monkeypatch.setattr(model, "forward_heatmap", watched)
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(source.forward_heatmap, torch.zeros(8, 1)))) == 8
    assert max(most) == 1
