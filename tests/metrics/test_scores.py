"""What a pass leaves behind."""

from __future__ import annotations

import pickle
import random

import pytest
import torch
from metric_cases import CLASSES, SIZE, random_case

from pylon_zoo.errors import DataError
from pylon_zoo.metrics import LOCALIZATION, ScoreKeeper, Scores
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
    for unit, hits in (("relevance", 1), ("logit", 0)):
        keeper = ScoreKeeper(1, heatmap_unit=unit)
        keeper.update(torch.zeros(1, 1), heatmap, torch.ones(1, 1), box, (4, 4))
        assert keeper.compute().points.hits.tolist() == [hits]


# max_box counts whole numbers, as overlap_50 does, and is by far the slowest.
OTHERS = [name for name in LOCALIZATION if name not in ("point_accuracy", "max_box")]


def shard(heatmaps, boxes, indices, batch):
    """A keeper that has seen some images of a case, in batches."""
    keeper = ScoreKeeper(CLASSES, others=OTHERS)
    for part in (indices[start : start + batch] for start in range(0, len(indices), batch)):
        chosen = None if heatmaps is None else heatmaps[part]
        logits = torch.tensor([[index, index / 3, -index] for index in part]).float()
        keeper.update(logits, chosen, (logits > 2).float(), [boxes[index] for index in part], SIZE, part)
    return keeper


def everything(scores):
    """All that a `Scores` says, as bytes."""
    outcomes = scores.outcomes
    tensors = [scores.logits, scores.targets, outcomes.images, outcomes.labels, outcomes.values, outcomes.areas]
    judges = {} if scores.points is None else {"point_accuracy": scores.points, **scores.others}
    for judge in judges.values():
        tensors += [judge.compute().per_class, *judge.sums.values()]
    return list(judges), scores.size, [tensor.numpy().tobytes() for tensor in tensors]


@pytest.mark.parametrize("with_heatmaps", [True, False], ids=["heatmaps", "logits"])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(2))
def test_shards_in_any_order_give_the_whole_bit_for_bit(count, seed, with_heatmaps):
    heatmaps, boxes = random_case(seed, images=11)
    heatmaps = heatmaps if with_heatmaps else None
    whole = shard(heatmaps, boxes, list(range(11)), batch=11).compute()
    order, rng = list(range(11)), random.Random(seed)
    rng.shuffle(order)
    states = [shard(heatmaps, boxes, order[part::count], batch=4).state() for part in range(count)]
    states.insert(rng.randrange(count + 1), ScoreKeeper(CLASSES, others=OTHERS).state())  # a process without images
    rng.shuffle(states)
    joined = shard(heatmaps, boxes, [7, 8], batch=2)  # what it held before is let go
    joined.load_states(states)
    assert everything(joined.compute()) == everything(whole)
    names, size, _ = everything(joined.compute())
    assert (names, size) == (["point_accuracy", *OTHERS] if with_heatmaps else [], SIZE)


def test_a_state_is_a_snapshot_that_another_process_can_be_sent():
    heatmaps, boxes = random_case(0)
    keeper = shard(heatmaps, boxes, [0, 1, 2], batch=3)
    state = pickle.loads(pickle.dumps(keeper.state()))
    joined = ScoreKeeper(CLASSES, others=OTHERS)
    joined.load_states([state])
    joined.update(torch.zeros(1, CLASSES), heatmaps[3:4], torch.zeros(1, CLASSES), boxes[3:4], SIZE, [3])
    assert len(joined.compute().logits) == 4
    assert everything(keeper.compute()) == everything(shard(heatmaps, boxes, [0, 1, 2], batch=1).compute())


def test_positions_need_not_be_dense():
    heatmaps, boxes = random_case(1)
    scores = shard(heatmaps, boxes, [6, 2, 4], batch=2).compute()
    assert scores.logits[:, 0].tolist() == [2, 4, 6]
    expected = [place for place, index in enumerate((2, 4, 6)) for _ in boxes[index][:, 0].unique()]
    assert scores.outcomes.images.tolist() == expected
    assert scores.outcomes.table(3, CLASSES)[1].any(dim=1).tolist() == [len(boxes[index]) > 0 for index in (2, 4, 6)]


def test_shards_that_do_not_belong_together_are_refused():
    heatmaps, boxes = random_case(0)
    first, again = shard(heatmaps, boxes, [0, 5, 2], batch=2), shard(heatmaps, boxes, [1, 5], batch=2)
    joined = ScoreKeeper(CLASSES, others=OTHERS)
    joined.load_states([first.state(), again.state()])
    with pytest.raises(DataError, match="1 images were scored twice, the first at position 5"):
        joined.compute()
    with pytest.raises(DataError, match="cannot be joined"):
        joined.load_states([first.state(), shard(None, boxes, [1], batch=1).state()])
    with pytest.raises(DataError, match="2 positions were given for 1 images"):
        joined.update(torch.zeros(1, CLASSES), None, torch.zeros(1, CLASSES), [NONE], SIZE, [1, 2])
