"""One pass: logits kept, heatmaps judged at input size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cards import Cards, read_cards
from torch.utils.data import DataLoader

import pylon_zoo
from pylon_zoo.data.sample import collate
from pylon_zoo.errors import DataError
from pylon_zoo.models.build import build_model
from pylon_zoo.scoring import score


@pytest.fixture
def oracle():
    return read_cards()


def batches(dataset, size: int = 3):
    """The dataset in batches."""
    return DataLoader(dataset, size, collate_fn=collate)


def test_logits_and_targets_keep_the_order_of_the_images(oracle):
    scores = score(oracle, batches(Cards()), "cpu", class_map=[1, None, 0]).compute()
    assert scores.logits.shape == (8, 3)
    assert (scores.logits[:, :2] > 0).float().tolist() == [[0, 1], [1, 0], [1, 0], [0, 0]] * 2
    assert torch.equal(scores.targets.isnan(), torch.tensor([[False, True, False]] * 8))
    assert scores.size == (32, 32)


def test_the_batch_size_changes_nothing(oracle):
    one, three = (score(oracle, batches(Cards(), size), "cpu", class_map=[1, None, 0]).compute() for size in (1, 3))
    assert torch.equal(one.logits, three.logits)
    assert torch.equal(one.points.hits, three.points.hits)
    assert torch.equal(one.points.support, three.points.support)


def test_boxes_are_judged_under_the_models_own_class(oracle):
    right = score(oracle, batches(Cards()), "cpu", class_map=[1, None, 0]).compute().points
    assert (right.support.tolist(), right.hits.tolist()) == ([4, 2, 0], [4, 2, 0])
    wrong = score(oracle, batches(Cards()), "cpu", class_map=[0, None, 1]).compute().points
    assert wrong.hits.sum() < right.hits.sum()


def test_a_model_without_heatmaps_gives_logits_only():
    scores = score(build_model("pylon_test_resnet", 3, 1, head_mlp_layers=2).eval(), batches(Cards()), "cpu").compute()
    assert scores.points is None
    assert scores.logits.shape == (8, 3)


def test_no_images_is_refused(oracle):
    with pytest.raises(DataError, match="no images"):
        score(oracle, [], "cpu").compute()


def test_nobody_else_runs_a_model_and_keeps_its_scores():
    root = Path(pylon_zoo.__file__).parent
    makers = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if "ScoreKeeper(" in path.read_text(encoding="utf-8")
    }
    assert makers == {"scoring.py", "metrics/scores.py"}


def test_places_are_those_given(oracle):
    seen = []
    whole = score(oracle, batches(Cards()), "cpu", class_map=[1, None, 0], watch=seen.append).compute()
    turned = [collate([Cards()[place] for place in part]) for part in ([6, 7], [5, 4, 3])]
    part = score(oracle, turned, "cpu", class_map=[1, None, 0], indices=[6, 7, 5, 4, 3]).compute()
    assert torch.equal(part.logits, whole.logits[3:])
    assert [(len(one.batch), one.images.shape[0], one.heatmap.shape[0]) for one in seen] == [(3,) * 3] * 2 + [(2,) * 3]
    assert seen[0].grid == oracle.cell_grid((32, 32))
