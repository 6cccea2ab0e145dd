"""The card of published weights: valid for the Hub, true, and its code runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import yaml
from huggingface_hub import ModelCard
from loopback_hub import LoopbackHub

from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.names import is_backbone
from pylon_zoo.weights.card import IN_TIMM
from pylon_zoo.weights.checkpoint import save_checkpoint
from pylon_zoo.weights.publishing import Publication, prepare, publish

REPO = "org/model"
METRICS = {
    "command": "pylon-zoo evaluate --data phantom",
    "dataset": "phantom_cxr",
    "split": "test",
    "images": 40,
    "input_size": [160, 160],
    "classes": [{"class": "no|dule", "images": 40, "positives": 20, "auroc": 0.8, "boxed_images": 0}],
    "macro": {"auroc": np.float32(0.8), "point_accuracy": None},
}


@pytest.fixture
def make_card(make_model: Callable[..., HeatmapClassifier], tmp_path: Path) -> Callable[..., str]:
    def make(architecture: str = "cam_test_resnet", **stated: object) -> str:
        folder = save_checkpoint(make_model(architecture, 2, label_names=("mass", "no|dule")), tmp_path / "model")
        return prepare(folder, REPO, **stated).files["README.md"].decode()

    return make


def blocks(card: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)


def test_the_hub_takes_it(make_card: Callable[..., str], hub: LoopbackHub) -> None:
    ModelCard(make_card(metrics=METRICS, weights_licence="CC0-1.0")).validate()
    assert hub.count("POST", "/api/validate-yaml") == 1
    with pytest.raises(ValueError, match="license"):
        ModelCard(make_card().replace("license: unknown", "license: [1]")).validate()


def test_what_is_known_is_in_the_model_index(make_card: Callable[..., str]) -> None:
    card = make_card(metrics=METRICS, weights_licence="CC0-1.0")
    head = yaml.safe_load(card.split("---")[1])
    assert (head["license"], head["library_name"]) == ("cc0-1.0", "pylon_zoo")
    (result,) = head["model-index"][0]["results"]
    assert result["dataset"] == {"name": "phantom_cxr", "type": "phantom_cxr", "split": "test"}
    (metric,) = result["metrics"]
    assert (metric["type"], metric["value"]) == ("roc_auc", 0.8)


def test_what_is_not_known_reads_not_stated(make_card: Callable[..., str]) -> None:
    card = make_card()
    head = yaml.safe_load(card.split("---")[1])
    assert head["license"] == "unknown"
    assert "model-index" not in head
    for text in ("Metrics: not", "Weights: not", "Training data: not", "| Recipe | not", "| Split, sha256 | not"):
        assert f"{text} stated" in card


def test_a_figure_that_is_missing_and_a_bar_in_a_name_leave_the_table_whole(make_card: Callable[..., str]) -> None:
    assert r"| no\|dule | 40 | 20 | 0.800 | 0 | – |" in make_card(metrics=METRICS)


def test_it_says_what_the_weights_are_not(make_card: Callable[..., str]) -> None:
    card = make_card()
    headings = re.findall(r"^## (.*)", card, flags=re.MULTILINE)
    assert headings == ["Figures", "Load it", "Intended use", "Limits", "Data terms", "Licence", "Cite"]
    assert "Not a medical device" in card
    assert "{{" not in card
    assert "{%" not in card


def test_all_four_ways_to_load_are_shown(make_card: Callable[..., str]) -> None:
    ours, timm_address, timm_tag, torch_hub = blocks(make_card("pylon_test_resnet"))
    assert f'pz.create_model("pylon_test_resnet", pretrained="hf-hub:{REPO}")' in ours
    assert f'timm.create_model("hf-hub:{REPO}", pretrained=True)' in timm_address
    assert 'timm.create_model("pylon_test_resnet.model", pretrained=True)' in timm_tag
    assert f'torch.hub.load(clone, "pylon", "test_resnet", source="local", pretrained="hf-hub:{REPO}")' in torch_hub
    for block in (timm_address, timm_tag):
        assert "import pylon_zoo" in block


def test_timm_is_not_promised_for_what_it_does_not_know(make_card: Callable[..., str]) -> None:
    assert ["timm" in block for block in blocks(make_card("cam_test_resnet"))] == [False, False]
    assert set(IN_TIMM) == {name.partition("_")[0] for name in timm.list_models() if not is_backbone(name)}


def test_the_block_of_pylon_zoo_runs(make_card: Callable[..., str], hub: LoopbackHub, tmp_path: Path) -> None:
    card, names = make_card(), {}
    publication: Publication = prepare(tmp_path / "model", REPO)
    publish(publication)
    exec(blocks(card)[0], names)
    assert isinstance(names["model"], HeatmapClassifier)
    assert names["transform"](np.zeros((50, 40), np.uint8)).shape == (3, 160, 160)
