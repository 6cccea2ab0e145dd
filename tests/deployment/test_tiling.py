"""An image over tiles is the whole image, where no cell sees further than the overlap; what cannot be is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from random_norms import randomize_norms
from torch import Tensor

import pylon_zoo as pz
from pylon_zoo.deployment.tiling import tiled, tiles_of
from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier

SEES = 96  # pixels that a cell of `test_resnet` sees each way, or a few less
OPTIONS: dict[str, dict[str, Any]] = {
    "paper": {},
    "light laterals": {"lateral": "light"},
    "no attention": {"attention": False},
    "corners aligned": {"alignment": "paper"},
    "features rather than heatmaps": {"head_kernel": 3},
    "fewer levels": {"up_modules": 1},
    "a short encoder": {"coarsest_stride": 16},
    "averaged": {"pooling": "avg"},
}


def model_of(name: str = "pylon_test_resnet", **options: Any) -> HeatmapClassifier:
    torch.manual_seed(0)
    return randomize_norms(build_model(name, 3, **{"decoder_channels": 8, **options})).eval()


def difference(actual: HeatmapClassifier, expected: HeatmapClassifier, x: Tensor) -> float:
    with torch.no_grad():
        pairs = zip(actual.forward_with_heatmap(x), expected.forward_with_heatmap(x), strict=True)
        return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("size", [(192, 256), (150, 331)])
def test_it_is_the_whole_image(options: dict[str, Any], size: tuple[int, int]):
    model = model_of(**options)
    x = torch.randn(2, 3, *size)
    assert difference(tiled(model, tile=64, overlap=SEES), model, x) < 1e-5


def test_an_overlap_that_is_too_small_is_seen():
    model, x = model_of(attention=False), torch.randn(1, 3, 192, 256)
    gaps = [difference(tiled(model, tile=64, overlap=overlap), model, x) for overlap in (0, 32, SEES)]
    assert gaps[0] > 1e-3
    assert sorted(gaps, reverse=True) == gaps


def test_away_from_the_seam_nothing_differs():
    model, x = model_of(attention=False), torch.randn(1, 3, 64, 512)
    with torch.no_grad():
        gap = (tiled(model, tile=256, overlap=0).forward_heatmap(x) - model.forward_heatmap(x)).abs().amax((0, 1, 2))
    seam, reach = 256 // 4, (SEES + 32) // 4  # a coarse cell is spread as far as the next one
    assert gap[seam - reach : seam + reach].max() > 1e-3
    assert gap[: seam - reach].max() < 1e-4
    assert gap[seam + reach :].max() < 1e-4


def test_tensorflows_padding_and_other_precisions():
    model = model_of("pylon_test_efficientnet")
    fast = tiled(model, tile=128, overlap=64, dtype=torch.bfloat16, classes=["class_2"])
    x = torch.randn(1, 3, 200, 260)
    with torch.no_grad():
        logits, _, maps = fast.forward_top_k(x, k=1)
    assert (logits.shape, maps.shape, maps.dtype) == ((1, 1), (1, 1, 50, 65), torch.float32)
    assert fast.label_names == ("class_2",)


def test_every_pixel_belongs_to_one_tile():
    covered = torch.zeros(160, 224)
    for tile in tiles_of((160, 224), 64, 32):
        top, left, bottom, right = tile.own
        covered[top:bottom, left:right] += 1
        assert all(side % 32 == 0 for side in (*tile.seen, *tile.own))
        assert (tile.seen[0] <= top, tile.seen[3] >= right) == (True, True)
    assert torch.equal(covered, torch.ones_like(covered))


def test_it_is_a_model_like_any_other():
    model = model_of()
    fast = copy.deepcopy(tiled(model, tile=64, overlap=SEES))
    image = torch.rand(3, 100, 80)
    ours, theirs = pz.explain(fast, image), pz.explain(model, image)
    torch.testing.assert_close(ours.heatmaps, theirs.heatmaps, rtol=1e-3, atol=1e-3)
    assert fast.cell_grid((100, 80)) == model.cell_grid((100, 80))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("pylon_test_resnet", {"tile": 100}, "tile=100 is no multiple of 32.*give 96"),
        ("pylon_test_resnet", {"overlap": 1}, "overlap=1 is no multiple of 32.*give 0"),
        ("pylon_test_resnet", {"tile": 0}, "tile=0 is not valid"),
        ("pylon_test_resnet", {"overlap": -32}, "overlap=-32 is not valid"),
        ("cam_test_resnet", {}, "only a PYLON without a stem"),
    ],
)
def test_what_cannot_be(name: str, options: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        tiled(build_model(name, 3), **options)


def test_a_class_that_is_none():
    with pytest.raises(UnknownNameError, match="no class 'mass'"):
        tiled(model_of(), classes=["mass"])


@pytest.mark.slow
def test_a_backbone_that_loses_cells_at_borders_is_refused():
    with pytest.raises(ConfigError, match="cannot run over tiles: inception_v3"):
        tiled(build_model("pylon_inception_v3", 2, decoder_channels=8))
