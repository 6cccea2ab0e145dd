"""One pass: logits kept, heatmaps judged at input size."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader

from pylon_zoo.data.sample import collate
from pylon_zoo.errors import DataError
from pylon_zoo.evaluation.scoring import score
from pylon_zoo.models.build import build_model


def batches(dataset, size: int = 3):
    """The dataset in batches."""
    return DataLoader(dataset, size, collate_fn=collate)


def test_logits_and_targets_keep_the_order_of_the_images(cards, oracle):
    scores = score(oracle, batches(cards()), "cpu", [1, None, 0])
    assert scores.logits.shape == (8, 3)
    assert (scores.logits[:, :2] > 0).float().tolist() == [[0, 1], [1, 0], [1, 0], [0, 0]] * 2
    assert torch.equal(scores.targets.isnan(), torch.tensor([[False, True, False]] * 8))
    assert scores.size == (32, 32)


def test_the_batch_size_changes_nothing(cards, oracle):
    one, three = (score(oracle, batches(cards(), size), "cpu", [1, None, 0]) for size in (1, 3))
    assert torch.equal(one.logits, three.logits)
    assert torch.equal(one.points.hits, three.points.hits)
    assert torch.equal(one.points.support, three.points.support)


def test_boxes_are_judged_under_the_models_own_class(cards, oracle):
    right = score(oracle, batches(cards()), "cpu", [1, None, 0]).points
    assert (right.support.tolist(), right.hits.tolist()) == ([4, 2, 0], [4, 2, 0])
    wrong = score(oracle, batches(cards()), "cpu", [0, None, 1]).points
    assert wrong.hits.sum() < right.hits.sum()


def test_a_model_without_heatmaps_gives_logits_only(cards):
    scores = score(build_model("pylon_test_resnet", 3, 1, head_mlp_layers=2).eval(), batches(cards()), "cpu")
    assert scores.points is None
    assert scores.logits.shape == (8, 3)


def test_no_images_is_refused(cards, oracle):
    with pytest.raises(DataError, match="no images"):
        score(oracle, [], "cpu")
