from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from pylon_zoo.errors import UnknownNameError
from pylon_zoo.explanation.explainer import explain
from pylon_zoo.explanation.peaks import Box, Point


@pytest.fixture
def heatmap() -> torch.Tensor:
    """Two classes on a 4x4 grid: one with a single bright cell, one with two, of which the second is brighter."""
    maps = torch.full((2, 4, 4), -10.0)
    maps[0, 1, 2] = 1.0
    maps[1, 0, 0], maps[1, 3, 3] = 2.0, 3.0
    return maps


def test_findings_by_hand(heatmap: torch.Tensor, fixed_model) -> None:
    model = fixed_model(heatmap, ("one", "two"))
    first, second = explain(model, torch.zeros(1, 4, 4)).findings
    assert (first.label, second.label) == ("two", "one")
    assert first.probability == pytest.approx(0.952574, abs=1e-6)
    assert second.probability == pytest.approx(0.731059, abs=1e-6)
    assert (first.peak, second.peak) == (Point(3, 3), Point(2, 1))
    assert first.boxes == (Box(3, 3, 3, 3), Box(0, 0, 0, 0))
    assert second.boxes == (Box(2, 1, 2, 1),)


def test_peaks_and_boxes_are_in_pixels_of_the_original(heatmap: torch.Tensor, fixed_model) -> None:
    explanation = explain(fixed_model(heatmap), torch.zeros(1, 40, 80), threshold=0.6)
    assert (explanation.width, explanation.height, explanation.resolution) == (80, 40, "4x4")
    # Cell (row 1, column 2) covers x 40..59, y 10..19; four pixels meet at its centre, the first of them is the peak.
    finding = explanation.finding("class_0")
    assert finding.peak == Point(49, 14)
    (box,) = finding.boxes
    assert 40 <= box.x0 <= 49 <= box.x1 <= 59
    assert 10 <= box.y0 <= 14 <= box.y1 <= 19
    assert box.x0 + box.x1 == 99
    assert box.y0 + box.y1 == 29


def test_the_threshold_decides_about_boxes(heatmap: torch.Tensor, fixed_model) -> None:
    explanation = explain(fixed_model(heatmap), torch.zeros(1, 4, 4), threshold=0.9)
    assert explanation.finding("class_0").boxes == ()
    assert explanation.finding("class_1").boxes == (Box(3, 3, 3, 3),)


def test_the_models_own_thresholds_decide_where_none_is_asked_for(heatmap: torch.Tensor, fixed_model) -> None:
    model = fixed_model(heatmap)
    model.thresholds = (0.8, 0.9)
    own = explain(model, torch.zeros(1, 4, 4))
    assert [(one.label, one.threshold, one.found, len(one.boxes)) for one in own.findings] == [
        ("class_1", 0.9, True, 1),  # 0.953, and 0.881 elsewhere
        ("class_0", 0.8, False, 0),  # 0.731
    ]
    assert str(own.thresholds) == "0.8 to 0.9 by class (the model's own)"
    asked = explain(model, torch.zeros(1, 4, 4), threshold=0.6)
    assert [(one.threshold, one.found, len(one.boxes)) for one in asked.findings] == [(0.6, True, 2), (0.6, True, 1)]
    assert str(asked.thresholds) == "0.6 (as asked for)"
    one = explain(model, torch.zeros(1, 4, 4), labels="class_1")
    assert str(one.thresholds) == "0.9 (the model's own)"
    model.thresholds = None
    assert str(explain(model, torch.zeros(1, 4, 4)).thresholds) == "0.5 (the model has none of its own)"


def test_heatmaps_are_raw_logits_at_image_size(heatmap: torch.Tensor, fixed_model) -> None:
    explanation = explain(fixed_model(heatmap), torch.zeros(3, 17, 23))
    expected = functional.interpolate(heatmap[None], (17, 23), mode="bilinear", align_corners=False)[0]
    assert torch.equal(explanation.heatmaps, expected)
    assert torch.equal(explanation.native_heatmaps, heatmap)


def test_probability_maps_are_upsampled_probabilities(heatmap: torch.Tensor, fixed_model) -> None:
    explanation = explain(fixed_model(heatmap), torch.zeros(1, 9, 9))
    expected = functional.interpolate(heatmap[None].sigmoid(), (9, 9), mode="bilinear", align_corners=False)[0, 1]
    assert torch.allclose(explanation.probability_map("class_1"), expected)
    assert explanation.probability_map("class_1", (5, 3)).shape == (5, 3)


def test_a_softmax_map_peaks_at_the_class_probability(fixed_model) -> None:
    heatmap = torch.randn(4, 6, 6, generator=torch.Generator().manual_seed(0)) * 3
    explanation = explain(fixed_model(heatmap, activation="softmax"), torch.zeros(1, 6, 6))
    assert float(explanation.probabilities.sum()) == pytest.approx(1)
    for index, label in enumerate(explanation.labels):
        native = explanation.native_probability_map(label)
        assert float(native.max()) == pytest.approx(float(explanation.probabilities[index]), abs=1e-6)
        assert int(native.argmax()) == int(heatmap[index].argmax())


def test_top_takes_the_most_probable(heatmap: torch.Tensor, fixed_model) -> None:
    explanation = explain(fixed_model(heatmap), torch.zeros(1, 4, 4))
    assert [finding.label for finding in explanation.top(1)] == ["class_1"]
    assert len(explanation.top(5)) == 2


def test_equal_probabilities_keep_the_models_order(fixed_model) -> None:
    explanation = explain(fixed_model(torch.zeros(3, 2, 2)), torch.zeros(1, 4, 4))
    assert [finding.label for finding in explanation.findings] == ["class_0", "class_1", "class_2"]


def test_a_misspelt_label_suggests_the_right_one(heatmap: torch.Tensor, fixed_model) -> None:
    explanation = explain(fixed_model(heatmap, ("nodule", "mass")), torch.zeros(1, 4, 4))
    with pytest.raises(UnknownNameError, match="Did you mean 'nodule'"):
        explanation.overlay("nodul")


def relevance(fixed_model, heatmap: torch.Tensor):
    model = fixed_model(heatmap)
    model.heatmap_unit = "relevance"
    return explain(model, torch.zeros(1, 8, 8))


def test_relevance_is_shown_as_a_share_of_its_maximum(fixed_model) -> None:
    explanation = relevance(fixed_model, torch.tensor([[[-3.0, 0.0], [1e-4, 2e-4]]]))
    assert explanation.native_probability_map("class_0").flatten().tolist() == pytest.approx([0, 0, 0.5, 1])
    finding = explanation.finding("class_0")
    assert (finding.peak.x, finding.peak.y) == (6, 6)
    assert len(finding.boxes) == 1


def test_a_models_own_threshold_is_no_share_of_a_maximum(fixed_model) -> None:
    model = fixed_model(torch.tensor([[[1.0, 0.7], [0.3, 0.1]]]))
    model.heatmap_unit, model.thresholds = "relevance", (0.2,)
    own, asked = (explain(model, torch.zeros(1, 2, 2), threshold=one) for one in (None, 0.2))
    assert (own.finding("class_0").threshold, own.level("class_0")) == (0.2, 0.5)
    assert asked.level("class_0") == 0.2
    assert own.finding("class_0").boxes == (Box(0, 0, 1, 0),)
    assert asked.finding("class_0").boxes == (Box(0, 0, 1, 1),)


def test_relevance_that_is_negative_everywhere_has_a_peak_and_no_box(fixed_model) -> None:
    finding = relevance(fixed_model, torch.tensor([[[-3.0, -1.0], [-2.0, -4.0]]])).finding("class_0")
    assert (finding.peak.x, finding.peak.y) == (6, 0)
    assert finding.boxes == ()


def test_the_scale_of_relevance_does_not_matter(fixed_model) -> None:
    heatmap = torch.rand(1, 4, 4)
    small, large = (relevance(fixed_model, heatmap * scale) for scale in (1e-20, 1e20))
    torch.testing.assert_close(small.probability_map("class_0"), large.probability_map("class_0"))
    assert small.finding("class_0").peak == large.finding("class_0").peak


def test_other_colours_keep_what_was_found(heatmap: torch.Tensor, fixed_model) -> None:
    explanation = explain(fixed_model(heatmap), torch.zeros(1, 40, 80))
    found = explanation.finding("class_0")
    other = explanation.scaled("image")
    assert other.finding("class_0") is found
    assert (explanation.scene("class_0").ends, explanation.scaling) == ((0.0, 1.0), "absolute")
    assert (
        other.scene("class_0").ends
        == explain(fixed_model(heatmap), torch.zeros(1, 40, 80), scaling="image").scene("class_0").ends
    )
