"""Metrics of many forward passes, from an evaluation: what they say, of which pairs, and at what price."""

from __future__ import annotations

import math

import pytest
import torch
from cards import Cards, read_cards
from torch.utils.data import DataLoader

from pylon_zoo.attribution import AttributedClassifier
from pylon_zoo.data.sample import collate
from pylon_zoo.errors import UnknownNameError
from pylon_zoo.evaluation import console_table, evaluate
from pylon_zoo.evaluation.faithfulness import chosen_pairs
from pylon_zoo.evaluation.tables import as_json
from pylon_zoo.metrics import FAITHFULNESS, Deletion, Insertion, MaskedOutArea
from pylon_zoo.metrics.faithfulness import forwards
from pylon_zoo.models.build import build_model

MAP = [1, None, 0]
"""Class of the cards → class of the oracle."""


def by_hand(metric, model, data):
    """A metric on all images at once, classes in the model's order."""
    batch = next(iter(DataLoader(data, len(data), collate_fn=collate)))
    targets = torch.full((len(data), 3), math.nan)
    for label, match in enumerate(MAP):
        if match is not None:
            targets[:, match] = batch.targets[:, label]
    with torch.no_grad():
        metric.update(batch.images, model.forward_heatmap(batch.images), targets)
    return metric.compute().select([1, 0])


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_they_say_what_they_say_by_hand(oracle, batch_size):
    names = list(FAITHFULNESS)
    result = evaluate(oracle, Cards(), metrics=names, batch_size=batch_size)
    grid = oracle.cell_grid((32, 32))
    for name, metric in (
        ("deletion", Deletion(oracle.eval(), 3, grid=grid)),
        ("insertion", Insertion(oracle, 3, grid=grid)),
        ("masked_out_area", MaskedOutArea(oracle, 3, grid=grid)),
    ):
        expected = by_hand(metric, oracle, Cards())
        assert torch.allclose(result.others[name].per_class, expected.per_class, atol=1e-6), name
        assert torch.equal(result.others[name].support, expected.support)
    assert result.others["deletion"].macro < 0.2 < 0.8 < result.others["insertion"].macro


def test_a_better_map_is_more_faithful(oracle):
    right = evaluate(oracle, Cards(), metrics=["deletion"]).others["deletion"].macro
    oracle.heatmap_grid = None  # cells are taken for tiles, half a step beside
    wrong = read_cards()
    forward = wrong.decoder.forward
    wrong.decoder.forward = lambda images: forward(images).flip(-1)  # the same logits from mirrored maps
    assert evaluate(wrong, Cards(), metrics=["deletion"]).others["deletion"].macro > right + 0.1


def test_thresholds_given_or_the_models_own_or_one_half(oracle):
    oracle.set_thresholds([0.9, 0.1, 0.5])  # upper, lower
    own = evaluate(oracle, Cards(), metrics=["iou", "masked_out_area"])
    assert (own.thresholds.source, own.thresholds.values) == ("model", (0.1, 0.9))
    given = evaluate(oracle, Cards(), metrics=["iou"], thresholds={"upper": 0.3, "hidden": 0.4, "lower": math.nan})
    assert (given.thresholds.source, given.thresholds.values) == ("fitted", (0.1, 0.3))
    oracle.thresholds = None
    half = evaluate(oracle, Cards(), metrics=["iou"])
    assert (half.thresholds.source, half.thresholds.values) == ("default", (0.5, 0.5))
    assert evaluate(oracle, Cards(), metrics=["energy"]).thresholds is None
    values = [one.others["iou"].per_class.tolist() for one in (own, half)]
    assert values[0] != values[1]
    assert as_json(own)["thresholds"] == {"source": "model", "values": {"lower": 0.1, "upper": 0.9}}
    assert "Iou and masked out area: found means a probability of at least 0.1 to 0.9 by class" in console_table(own)


def test_some_pairs_of_each_class_are_drawn_by_lot(oracle):
    said = []
    some = evaluate(oracle, Cards(count=40), metrics=["deletion"], pairs_per_class=3, bootstrap=10, say=said.append)
    assert some.others["deletion"].support.tolist() == [3, 3]
    assert some.faithfulness["deletion"]["pairs_per_class"] == 3
    assert some.faithfulness["deletion"]["step"] == 1 / 224
    assert said == ["6 pairs of an image and a class will take up to 1,350 forward passes (deletion 225 for a pair)."]
    assert "Deletion: of up to 3 images, drawn by lot, that have the class; no controls." in console_table(some)
    assert evaluate(oracle, Cards(count=40), metrics=["deletion"], pairs_per_class=0).others[
        "deletion"
    ].support.tolist() == [10, 20]


def test_the_lot_is_the_same_every_time_and_another_for_another_seed():
    targets = torch.ones(50, 2)
    one, two, three = (chosen_pairs(targets, [0, 1], 2, 5, seed) for seed in (0, 0, 1))
    assert torch.equal(one, two)
    assert not torch.equal(one, three)
    assert not torch.equal(one[:, 0], one[:, 1])


def test_the_price_is_no_less_than_what_is_asked(oracle):
    asked = []
    forward = oracle.forward
    oracle.forward = lambda images: asked.append(len(images)) or forward(images)
    evaluate(oracle, Cards(count=4), metrics=list(FAITHFULNESS))  # three cards
    assert sum(asked) <= 3 * sum(map(forwards, FAITHFULNESS))
    assert sum(asked) > 3 * (225 + 225)


@pytest.mark.slow
def test_classes_that_compete_are_asked_for_their_probability(cards):
    torch.manual_seed(0)
    model = build_model("cam_test_resnet", 3, 1, label_names=cards.classes, activation="softmax")
    model.pretrained_cfg |= {"input_size": (1, 32, 32), "mean": (0.0,), "std": (1.0,)}
    result = evaluate(model, cards(), metrics=["deletion", "masked_out_area"])
    batch = next(iter(DataLoader(cards(), 8, collate_fn=collate)))
    metric = Deletion(model.eval(), 3, activation="softmax", grid=model.cell_grid((32, 32)))
    with torch.no_grad():
        metric.update(batch.images, model.forward_heatmap(batch.images), batch.targets)
    assert torch.allclose(result.others["deletion"].per_class, metric.compute().per_class, atol=1e-5, equal_nan=True)


def test_an_attribution_and_views_are_asked_too(oracle):
    plain = evaluate(AttributedClassifier(oracle, "grad_cam"), Cards(), metrics=["deletion", "iou"])
    assert plain.others["deletion"].macro < 0.3
    assert plain.others["iou"].macro > 0.1
    assert evaluate(oracle, Cards(), metrics=["deletion"], views="mirror").others["deletion"].support.tolist() == [2, 4]


def test_a_model_without_heatmaps_has_none(cards):
    model = build_model("pylon_test_resnet", 3, 1, head_mlp_layers=2, label_names=cards.classes)
    model.pretrained_cfg["input_size"] = (1, 32, 32)
    result = evaluate(model, cards(), metrics=["deletion", "iou"], bootstrap=5)
    assert (result.others, result.faithfulness, result.thresholds) == ({}, {}, None)


def test_a_metric_that_does_not_exist_is_named_before_the_work(oracle):
    with pytest.raises(UnknownNameError, match=r"'deletoin'\. Did you mean 'deletion'"):
        evaluate(oracle, Cards(count=0), metrics=["deletoin"])
