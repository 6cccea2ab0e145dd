from __future__ import annotations

import numpy as np
import pytest
import torch

from pylon_zoo.explanation.explainer import explain
from pylon_zoo.explanation.overlay import MAX_SIDE, MIN_SIDE, display_size, to_picture


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randint(0, 256, (1, 512, 512), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def colourfulness(picture: np.ndarray) -> np.ndarray:
    return np.ptp(picture.astype(int), axis=2)


def test_a_negative_image_looks_negative(fixed_model, image: torch.Tensor) -> None:
    explanation = explain(fixed_model(torch.full((1, 8, 8), -20.0)), image)
    picture = np.asarray(explanation.overlay(caption=False))
    assert colourfulness(picture).max() == 0
    changed = np.argwhere(picture[..., 0] != image[0].numpy())
    assert len(changed) < 400, "only the cross-hair may differ"


def test_evidence_is_coloured_where_it_is(fixed_model, image: torch.Tensor) -> None:
    heatmap = torch.full((1, 8, 8), -20.0)
    heatmap[0, 2, 5] = 5.0
    colour = colourfulness(np.asarray(explain(fixed_model(heatmap), image).overlay(caption=False)))
    assert colour[150:170, 340:364].mean() > 60
    assert colour[256:, :256].max() == 0


def test_per_image_scaling_shows_what_absolute_scaling_hides(fixed_model, image: torch.Tensor) -> None:
    heatmap = torch.full((1, 8, 8), -8.0)
    heatmap[0, 2, 5] = -6.0
    absolute, scaled = (
        colourfulness(np.asarray(explain(fixed_model(heatmap), image, scaling=scaling).overlay(caption=False)))
        for scaling in ("absolute", "image")
    )
    assert absolute.max() <= 1
    assert scaled.max() > 100


def test_a_constant_map_scaled_to_itself_is_empty(fixed_model, image: torch.Tensor) -> None:
    picture = explain(fixed_model(torch.ones(1, 8, 8)), image, scaling="image").overlay(caption=False)
    assert colourfulness(np.asarray(picture)).max() == 0


def test_the_contour_is_optional(fixed_model, image: torch.Tensor) -> None:
    heatmap = torch.full((1, 8, 8), -5.0)
    heatmap[0, 4, 4] = 5.0
    explanation = explain(fixed_model(heatmap), image)
    plain, lined = (np.asarray(explanation.overlay(contour=contour, caption=False)) for contour in (False, True))
    assert 200 < (plain != lined).any(axis=2).sum() < 5000


def test_the_crosshair_is_at_the_peak(fixed_model) -> None:
    heatmap = torch.full((1, 8, 8), -20.0)
    heatmap[0, 1, 6] = -19.0
    explanation = explain(fixed_model(heatmap), torch.full((1, 256, 256), 128, dtype=torch.uint8))
    marked = np.argwhere(np.asarray(explanation.overlay(caption=False))[..., 0] != 128)
    peak = explanation.finding("class_0").peak
    # Drawn at twice the size, so the pixel's centre is at 2 * x + 0.5.
    assert marked.mean(axis=0) == pytest.approx([2 * peak.y + 0.5, 2 * peak.x + 0.5], abs=0.1)


def test_colour_images_are_shown_grey_under_the_map(fixed_model) -> None:
    red = torch.zeros(3, 512, 512, dtype=torch.uint8)
    red[0] = 255
    picture = np.asarray(explain(fixed_model(torch.full((1, 4, 4), -20.0)), red).overlay(caption=False))
    assert colourfulness(picture).max() == 0


@pytest.mark.parametrize("size", [(1, 1), (2, 2000), (2000, 2), (1200, 700)])
def test_any_size_can_be_drawn(fixed_model, size: tuple[int, int]) -> None:
    explanation = explain(fixed_model(torch.randn(1, 5, 5)), torch.rand(1, *size))
    picture = explanation.overlay(caption=False)
    assert picture.size == display_size(size[1], size[0])
    assert MIN_SIDE <= max(picture.size) <= MAX_SIDE
    captioned = explanation.overlay()
    assert captioned.height > picture.height
    assert captioned.width >= picture.width


def test_drawing_is_deterministic(fixed_model, image: torch.Tensor) -> None:
    model = fixed_model(torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(0)))
    assert explain(model, image).overlay().tobytes() == explain(model, image).overlay().tobytes()


def test_deep_images_become_8_bit() -> None:
    picture = to_picture(torch.tensor([[[0.0, 0.5, 1.0]]]), (3, 1))
    assert np.asarray(picture).tolist() == [[0, 128, 255]]


def test_opacity_is_what_the_last_colour_covers(fixed_model, image: torch.Tensor) -> None:
    explanation = explain(fixed_model(torch.full((1, 8, 8), 30.0)), image)
    bare, covered = (
        np.asarray(explanation.overlay(opacity=opacity, contour=False, peak=False, caption=False))
        for opacity in (0.0, 1.0)
    )
    assert np.array_equal(bare, np.repeat(image.numpy()[0, ..., None], 3, axis=2))
    assert np.ptp(covered, axis=(0, 1)).max() == 0


def test_the_peak_is_optional(fixed_model, image: torch.Tensor) -> None:
    explanation = explain(fixed_model(torch.full((1, 8, 8), -20.0)), image)
    assert colourfulness(np.asarray(explanation.overlay(peak=False, caption=False))).max() == 0
    assert np.array_equal(np.asarray(explanation.overlay(peak=False, caption=False))[..., 0], image[0].numpy())


def test_boxes_are_drawn_at_the_size_of_the_picture(fixed_model) -> None:
    explanation = explain(fixed_model(torch.full((1, 8, 8), -20.0)), torch.zeros(1, 64, 64))
    box = [(8.0, 16.0, 24.0, 32.0)]
    found, true = (
        np.asarray(explanation.overlay(peak=False, caption=False, **{name: box})) for name in ("boxes", "true_boxes")
    )
    assert found[180, 64].tolist() == [255, 255, 255]
    assert colourfulness(found).max() == 0
    assert true[180, 64, 2] > true[180, 64, 0] + 100
