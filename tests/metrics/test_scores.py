"""What a pass leaves behind."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.errors import DataError
from pylon_zoo.metrics import ScoreKeeper, Scores
from pylon_zoo.metrics.scores import relabel

NONE = torch.zeros(0, 5)


def test_relabel_drops_what_the_model_does_not_know():
    boxes = torch.tensor([[0.0, 1, 2, 3, 4], [2.0, 5, 6, 7, 8], [1.0, 0, 0, 1, 1]])
    assert relabel(boxes, [None, 3, 0]).tolist() == [[0, 5, 6, 7, 8], [3, 0, 0, 1, 1]]
    assert relabel(boxes, None) is boxes
    assert relabel(torch.zeros(0, 5), [None]).shape == (0, 5)


def test_batches_are_kept_in_order_and_heatmaps_are_judged():
    keeper = ScoreKeeper(2, class_map=[1, 0])
    heatmap = torch.zeros(1, 2, 4, 4)
    heatmap[0, 1, 2, 3] = 5
    keeper.update(
        torch.tensor([[1.0, 2.0]]), heatmap, torch.tensor([[1.0, 0.0]]), [torch.tensor([[0.0, 3, 2, 3, 2]])], (4, 4)
    )
    keeper.update(torch.tensor([[3.0, 4.0]]).half(), heatmap, torch.tensor([[0.0, 1.0]]), [NONE], (4, 4))
    scores = keeper.compute()
    assert scores.logits.tolist() == [[1, 2], [3, 4]]
    assert scores.targets.tolist() == [[1, 0], [0, 1]]
    assert (scores.size, scores.points.hits.tolist(), scores.points.support.tolist()) == ((4, 4), [0, 1], [0, 1])


def test_a_model_without_heatmaps_has_no_points():
    keeper = ScoreKeeper(1)
    keeper.update(torch.zeros(2, 1), None, torch.zeros(2, 1), [NONE, NONE], (4, 4))
    assert keeper.compute().points is None


def test_competing_classes_are_ranked_by_probability():
    logits = torch.tensor([[5.0, 9.0], [4.0, 0.0]])
    assert Scores(logits, logits, (4, 4), None, "sigmoid").ranks is logits
    first, second = Scores(logits, logits, (4, 4), None, "softmax").ranks[:, 0]
    assert second > first


def test_no_images_is_refused():
    with pytest.raises(DataError, match="no images"):
        ScoreKeeper(1).compute()


def test_heatmaps_that_are_no_logits_are_judged_as_they_are():
    """Beyond 17 a float32 sigmoid is 1 everywhere, and the first of the equal cells would count."""
    heatmap = torch.full((1, 1, 4, 4), 100.0)
    heatmap[0, 0, 2, 3] = 200
    box = [torch.tensor([[0.0, 3, 2, 3, 2]])]
    for activation, hits in ((None, 1), ("sigmoid", 0)):
        keeper = ScoreKeeper(1, heatmap_activation=activation)
        keeper.update(torch.zeros(1, 1), heatmap, torch.ones(1, 1), box, (4, 4))
        assert keeper.compute().points.hits.tolist() == [hits]
