"""MaxBoxAccV2 and PxAP: by hand, and against OpenCV's contours and scikit-learn's average precision."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from level_by_level import iou, right_at
from metric_cases import CLASSES, NONE, SIZE, box, masks_of, random_case, random_masks

from pylon_zoo.errors import ConfigError
from pylon_zoo.metrics import MaxBoxAccuracy, PixelPrecision, maxbox
from pylon_zoo.metrics.findings import drawn
from pylon_zoo.metrics.geometry import unit_range, upsample


def judge(kind, values: list[list[float]], boxes: torch.Tensor, **options):
    """One map at its own size, left as it is."""
    heatmap = torch.tensor([[values]])
    metric = kind(1, tuple(heatmap.shape[2:]), activation=None, **options)
    metric.update(heatmap, [boxes])
    return metric


def test_the_best_threshold_by_hand():
    values = [[0.0, 4.0, 10.0, 4.0, 0.0, 0.0]]
    # Boxes at thresholds: [1, 3] below 0.4, [2] above; the truth [1, 2] has IoU 2/3 with the first, 1/2 with the other.
    metric = judge(MaxBoxAccuracy, values, box(0, 1, 0, 2, 0), edges="closed")
    assert metric.compute().macro == pytest.approx(2 / 3)  # right at 0.3 and 0.5, wrong at 0.7
    assert metric.pooled == metric.compute().macro
    # wsolevaluation's boxes end a pixel later: [1, 4] and [2, 3], IoU 1/2 and 1/3.
    assert judge(MaxBoxAccuracy, values, box(0, 1, 0, 2, 0)).compute().macro == pytest.approx(2 / 3)
    assert judge(MaxBoxAccuracy, values, box(0, 1, 0, 2, 0), ious=[0.51]).compute().macro == 0


def test_one_threshold_for_all_classes_is_no_better_than_one_each():
    metric = MaxBoxAccuracy(2, (1, 6), activation=None, edges="closed", ious=[0.9])
    wide, narrow = [0.0, 4.0, 10.0, 4.0, 0.0, 0.0], [0.0, 4.0, 10.0, 4.0, 0.0, 0.0]
    boxes = torch.cat([box(0, 1, 0, 3, 0), box(1, 2, 0, 2, 0)])
    metric.update(torch.tensor([[[wide], [narrow]]]), [boxes])
    assert (metric.compute().macro, metric.pooled) == (1.0, 0.5)


@pytest.mark.parametrize("seed", range(3))
def test_boxes_agree_with_opencv(seed):
    cv2 = import_module("cv2")
    heatmaps, boxes = random_case(seed)
    metric = MaxBoxAccuracy(CLASSES, SIZE, interval=0.02)
    metric.update(heatmaps, boxes)
    maps = upsample(heatmaps.sigmoid().flatten(0, 1), SIZE)
    maps = (unit_range(maps) * 255).to(torch.uint8).view(-1, CLASSES, *SIZE).numpy()
    grid = [index * 0.02 for index in range(50)]
    right = torch.zeros(CLASSES, len(grid), 3)
    for image, rows in enumerate(boxes):
        for label in {int(row[0]) for row in rows}:
            own = rows[rows[:, 0] == label, 1:]
            for position, threshold in enumerate(grid):
                # The grid's own rounding, which torch.arange shares.
                cut = int(threshold * int(maps[image, label].max()))
                _, binary = cv2.threshold(maps[image, label], cut, 255, cv2.THRESH_BINARY)
                contours, _ = cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
                rects = [cv2.boundingRect(contour) for contour in contours]
                predicted = [[x, y, min(x + w, SIZE[1] - 1), min(y + h, SIZE[0] - 1)] for x, y, w, h in rects]
                best = iou(torch.tensor(predicted or [[0, 0, 0, 0]]), own).max()
                right[label, position] += (best >= torch.tensor([0.3, 0.5, 0.7], dtype=torch.float64)).float()
    assert metric.right.amax(dim=1).tolist() == right.amax(dim=1).tolist()
    assert metric.right.sum(dim=0).amax(dim=0).tolist() == right.sum(dim=0).amax(dim=0).tolist()


def fuzzy_maps(seed: int, kind: str) -> torch.Tensor:
    """(4, 3, h, w) heatmaps: smooth, noise, plateaus, two values, flat, ranges below the smallest number, repeated."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(4, CLASSES, *(SIZE if kind in ("noise", "binary") else (4, 5)), generator=generator)
    return {
        "smooth": coarse,
        "noise": coarse,
        "plateaus": (coarse * 1.5).round(),
        "binary": (coarse > 0).float(),
        "flat": coarse[:, :, :1, :1],
        "tiny": coarse * 1e-39,
        "repeated": coarse[:2, :1].repeat_interleave(2, dim=0).expand(-1, CLASSES, -1, -1),
    }[kind]


@pytest.mark.slow
@settings(max_examples=24, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["smooth", "noise", "plateaus", "binary", "flat", "tiny", "repeated"]),
    edges=st.sampled_from(["wsolevaluation", "closed"]),
    masks=st.booleans(),
)
def test_all_cuts_at_once_are_what_one_by_one_were(seed, kind, edges, masks):
    heatmaps = fuzzy_maps(seed, kind)
    _, boxes = random_case(seed, images=4)
    metric = MaxBoxAccuracy(CLASSES, SIZE, None, interval=0.05, ious=(0.2, 0.5, 0.8), edges=edges)
    regions = drawn(boxes, list(random_masks(seed, images=4))) if masks else boxes
    right = torch.zeros_like(metric.right)
    for pairs in metric.pairs(heatmaps, regions):
        images = (unit_range(pairs.maps) * 255).to(torch.uint8)
        own, owner = pairs.closed_boxes
        for index, (image, label) in enumerate(zip(images, pairs.labels.tolist(), strict=True)):
            right[label] += right_at(image, own[owner == index], metric.levels, metric.ious, edges == "closed")
    metric.update(heatmaps, regions)
    assert torch.equal(metric.right, right)


def test_contours_of_few_maps_at_a_time_are_the_same(monkeypatch):
    heatmaps, boxes = random_case(5)
    whole, parts = MaxBoxAccuracy(CLASSES, SIZE), MaxBoxAccuracy(CLASSES, SIZE)
    whole.update(heatmaps, boxes)
    monkeypatch.setattr(maxbox, "PIXELS_AT_ONCE", 2 * SIZE[0] * SIZE[1])
    parts.update(heatmaps, boxes)
    assert int(whole.support.sum()) > 4
    assert torch.equal(parts.right, whole.right)


def test_pixel_precision_by_hand():
    metric = judge(PixelPrecision, [[4.0, 3.0, 2.0, 0.0]], box(0, 0, 0, 0, 0))
    assert metric.compute().macro == 1
    metric = judge(PixelPrecision, [[4.0, 3.0, 2.0, 0.0]], box(0, 3, 0, 3, 0))
    assert metric.compute().macro == pytest.approx(1 / 4)
    # A flat map ranks nothing: its precision is the finding's share.
    assert judge(PixelPrecision, [[3.0, 3.0, 3.0, 3.0]], box(0, 3, 0, 3, 0)).pooled == pytest.approx(1 / 4)


def test_pixels_of_images_are_ranked_together():
    metric = PixelPrecision(1, (1, 3), activation=None)
    metric.update(torch.tensor([[[[1.0, 0.5, 0.0]]], [[[1.0, 0.25, 0.0]]]]), [box(0, 0, 0, 1, 0), box(0, 1, 0, 1, 0)])
    # Together: 1 (right) and 1 (wrong), 0.5 (right), 0.25 (right), zeros: (1/2 + 2/3 + 3/4) / 3.
    assert metric.compute().macro == pytest.approx((1 / 2 + 2 / 3 + 3 / 4) / 3)


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_scikit_learn(seed):
    average_precision_score = import_module("sklearn.metrics").average_precision_score
    heatmaps, boxes = random_case(seed)
    metric = PixelPrecision(CLASSES, SIZE)
    metric.update(heatmaps, boxes)
    maps = unit_range(upsample(heatmaps.sigmoid().flatten(0, 1), SIZE)).view(-1, CLASSES, *SIZE)
    edges = torch.cat([torch.arange(0, 1, 0.001, dtype=torch.float64).float(), torch.ones(1)])
    binned, masks = torch.bucketize(maps, edges, right=True), masks_of(boxes)
    for label, ours in enumerate(metric.compute().per_class.tolist()):
        own = masks[:, label].flatten(1).any(dim=1)
        if own.any():
            theirs = average_precision_score(masks[own, label].flatten(), binned[own, label].flatten())
            assert ours == pytest.approx(theirs)


@pytest.mark.parametrize("seed", range(3))
def test_masks_agree_with_scikit_learn(seed):
    """Pixels of all images of a class in one ranking, on masks that are no boxes."""
    average_precision_score = import_module("sklearn.metrics").average_precision_score
    heatmaps, boxes = random_case(seed)
    masks = random_masks(seed)
    metric = PixelPrecision(CLASSES, SIZE)
    metric.update(heatmaps, drawn(boxes, list(masks)))
    maps = unit_range(upsample(heatmaps.sigmoid().flatten(0, 1), SIZE)).view(-1, CLASSES, *SIZE)
    for label, ours in enumerate(metric.compute().per_class.tolist()):
        own = masks[:, label].flatten(1).any(dim=1)
        ranked = average_precision_score(masks[own, label].flatten(), maps[own, label].flatten())
        assert ours == pytest.approx(ranked, abs=2e-3)  # bins of 0.001 tie what scikit-learn tells apart


def test_classes_share_no_pixels():
    heatmaps, boxes = random_case(1)
    metric = PixelPrecision(CLASSES, SIZE)
    metric.update(heatmaps, [*boxes[:-1], NONE])
    assert int(metric.pixels.sum()) == int(metric.support.sum()) * SIZE[0] * SIZE[1]


def test_bad_options_are_refused():
    for options, match in (
        ({"interval": 0}, "interval=0"),
        ({"ious": []}, "ious"),
        ({"edges": "open"}, "edges='open'"),
    ):
        with pytest.raises(ConfigError, match=match):
            MaxBoxAccuracy(1, (2, 2), **options)
    with pytest.raises(ConfigError, match="interval=1"):
        PixelPrecision(1, (2, 2), interval=1)
