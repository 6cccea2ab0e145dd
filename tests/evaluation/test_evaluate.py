"""A model with known answers on images with known answers."""

from __future__ import annotations

import math

import pytest
import torch

from pylon_zoo.attribution import AttributedClassifier
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.data.transforms import EvalTransform
from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.evaluation import evaluate
from pylon_zoo.models.build import build_model
from pylon_zoo.models.viewpoints import VIEWS


def test_an_oracle_scores_one_and_the_counts_are_right(cards, oracle):
    result = evaluate(oracle, cards(), batch_size=3)
    assert (result.dataset, result.split, result.images, result.size) == ("cards", "test", 8, (32, 32))
    assert (result.classes, result.missing) == (("lower", "upper"), ("hidden",))
    assert (result.known.tolist(), result.positives.tolist()) == ([8, 8], [2, 4])
    assert result.auroc.per_class.tolist() == [1.0, 1.0]
    assert result.point_accuracy.per_class.tolist() == [1.0, 1.0]
    assert result.point_accuracy.support.tolist() == [2, 4]


def test_a_model_with_two_labels_swapped_is_wrong_where_it_was_right(cards, oracle):
    oracle.set_labels(("Lower", "Upper", "other"))
    result = evaluate(oracle, cards())
    assert result.auroc.macro < 0.5
    assert result.point_accuracy.macro == 0.0


def test_a_class_nobody_knows_is_nan(cards, oracle):
    oracle.set_labels(("Upper", "Lower", "Hidden"))
    result = evaluate(oracle, cards())
    assert result.classes == ("lower", "hidden", "upper")
    assert result.missing == ()
    assert (result.known.tolist(), result.positives.tolist()) == ([8, 0, 8], [2, 0, 4])
    assert math.isnan(result.auroc.per_class[1])
    assert (result.auroc.macro, result.point_accuracy.weighted) == (1.0, 1.0)


def test_size_is_the_models_own_unless_given(cards, oracle):
    assert evaluate(oracle, cards()).size == (32, 32)
    assert evaluate(oracle, cards(), size=64).size == (64, 64)
    larger = evaluate(oracle, cards(), size=(64, 96))
    assert (larger.size, larger.point_accuracy.macro) == ((64, 96), 1.0)


def test_the_datasets_own_transform_is_used_and_none_is_left_behind(cards, oracle):
    data = cards()
    evaluate(oracle, data)
    assert data.transform is None
    data.transform = EvalTransform((16, 16), (0.0,), (1.0,))
    assert evaluate(oracle, data, size=64).size == (16, 16)


def test_the_models_mode_is_restored(cards, oracle):
    for mode in (True, False):
        oracle.train(mode)
        evaluate(oracle, cards())
        assert oracle.training is mode
    oracle.train()
    oracle.set_labels(("Upper", "Lower", "Hidden"))
    broken = cards(count=0)
    with pytest.raises(Exception, match="no images"):
        evaluate(oracle, broken)
    assert oracle.training


def test_nothing_in_common_is_refused(cards):
    with pytest.raises(ConfigError, match="no name in common"):
        evaluate(build_model("cam_test_resnet", 3, 1), cards())


def test_grey_images_reach_a_colour_model_and_workers_change_nothing():
    torch.manual_seed(0)
    data = PhantomCxr("test", size=32, count=12)
    model = build_model("pylon_test_resnet", data.num_classes, 3, label_names=data.classes)
    model.pretrained_cfg["input_size"] = (3, 32, 32)
    one, two = evaluate(model, data, batch_size=5), evaluate(model, data, batch_size=5, workers=2)
    assert torch.equal(one.auroc.per_class.nan_to_num(-1), two.auroc.per_class.nan_to_num(-1))
    assert torch.equal(one.point_accuracy.support, two.point_accuracy.support)
    assert one.point_accuracy.support.sum() > 0


def test_an_attribution_is_evaluated_in_place_of_the_models_own_heatmaps(cards, oracle):
    """The oracle's decoder is linear, so Grad-CAM without bias points where its heatmap does."""
    result = evaluate(AttributedClassifier(oracle, "grad_cam"), cards(), batch_size=3)
    assert (result.auroc.macro, result.point_accuracy.macro) == (1.0, 1.0)
    assert result.model.endswith("grad_cam")
    scaled = AttributedClassifier(oracle, "grad_cam")
    oracle.head.weight.data *= 1e4  # saturates a sigmoid
    assert evaluate(scaled, cards()).point_accuracy.macro == 1.0


@pytest.mark.parametrize("views", sorted(VIEWS))
def test_every_view_of_what_is_clear_is_right(cards, oracle, views):
    """Turned upside down the oracle takes upper for lower, but the mean of its maps still points at the card."""
    result = evaluate(oracle, cards(), views=views)
    assert result.views == views
    assert result.point_accuracy.macro == 1.0


@pytest.mark.parametrize("views", ["mirror", "turns"])
def test_an_attribution_methods_maps_are_averaged_too(views):
    torch.manual_seed(0)
    data = PhantomCxr("test", size=32, count=4)
    model = build_model("pylon_test_resnet", len(data.classes), 1, label_names=data.classes)
    model.pretrained_cfg["input_size"] = (1, 32, 32)
    result = evaluate(AttributedClassifier(model, "grad_cam"), data, views=views)
    plain = evaluate(model, data, views=views)
    assert result.point_accuracy.support.equal(plain.point_accuracy.support)
    assert not result.records.probabilities.equal(plain.records.probabilities)  # mean of logits; pooled mean of maps


def test_unknown_views_are_refused(cards, oracle):
    with pytest.raises(UnknownNameError, match="views='turn'"):
        evaluate(oracle, cards(), views="turn")


MASKED = ("energy", "pxap", "peak_iou", "hit_rate")


def test_masks_judge_where_they_are_drawn(cards, ringed, oracle):
    metrics = ["max_box", "overlap_50", *MASKED]
    by_boxes, by_masks = (evaluate(oracle, data(), metrics=metrics, batch_size=3) for data in (cards, ringed))
    assert (by_boxes.by_masks, by_masks.by_masks) == ((), MASKED)
    assert torch.equal(by_masks.point_accuracy.per_class, by_boxes.point_accuracy.per_class)
    for name in ("max_box", "overlap_50"):
        assert torch.equal(by_masks.others[name].per_class, by_boxes.others[name].per_class)
    for name in MASKED:
        assert torch.equal(by_masks.others[name].support, by_boxes.others[name].support)
        if name != "hit_rate":  # the map is the card, of whose 16 pixels the mask leaves out the 4 within
            assert by_masks.others[name].macro < by_boxes.others[name].macro


def test_controls_are_judged_by_the_same_masks(ringed, oracle):
    controls = evaluate(oracle, ringed(), metrics=MASKED).controls
    for name in (*MASKED, "point_accuracy"):
        assert controls["oracle"][name].macro == 1.0
        assert max(controls[control][name].macro for control in ("random", "centre")) < 1.0


def test_masks_are_brought_to_the_models_size_whatever_the_batches(ringed, oracle):
    one, two = (evaluate(oracle, ringed(), metrics=MASKED, size=64, batch_size=size) for size in (1, 5))
    assert one.size == (64, 64)
    for name in MASKED:
        assert torch.equal(one.others[name].per_class, two.others[name].per_class)
