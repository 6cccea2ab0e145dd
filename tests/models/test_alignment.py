"""PYLON's levels on each other: by where their cells lie, or by corners as the official implementation does."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_networks
import torch
from tiny_networks import known_to_timm  # noqa: F401 (a fixture)
from torch import Tensor

from pylon_zoo.deployment.optimization import optimize
from pylon_zoo.errors import ConfigError
from pylon_zoo.factory import create_model, create_pylon
from pylon_zoo.models.build import said_options
from pylon_zoo.models.layers import axis_weights, resample_like, resize_like
from pylon_zoo.models.pylon_decoder import HALVED
from pylon_zoo.weights.checkpoint import load_checkpoint, save_checkpoint

KINDS = tuple(tiny_networks.KINDS)


def by_hand(coarse: Tensor, cells: tuple[int, int], places) -> Tensor:
    """Resampling by NumPy's interpolation, in float64."""
    maps = coarse.double().numpy()
    for axis, (first, step) in zip((2, 3), places, strict=True):
        at = first + step * np.arange(cells[axis - 2])
        maps = np.apply_along_axis(lambda line, at=at: np.interp(at, np.arange(len(line)), line), axis, maps)
    return torch.from_numpy(maps)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("place", [(0.0, 0.5), (-0.5, 0.5), (-0.25, 0.5), (0.3, 0.37), (0.0, 1.0)])
def test_resampling_is_linear_between_centres_and_repeats_edges(layout, place):
    coarse = torch.randn(2, 3, 5, 4).to(memory_format=layout)
    places, reference = (place, (place[0] / 2, place[1])), torch.zeros(2, 1, 11, 7)
    found = resample_like(coarse, reference, places)
    assert found.shape == (2, 3, 11, 7)
    assert torch.allclose(found.double(), by_hand(coarse, (11, 7), places), atol=1e-5)


def test_resampling_keeps_precision_and_gradients_under_autocast():
    coarse = torch.randn(1, 2, 4, 4, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = resample_like(coarse, torch.zeros(1, 1, 8, 8), HALVED)
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), by_hand(coarse.detach(), (8, 8), HALVED), atol=1e-5)
    found.sum().backward()
    assert coarse.grad.sum().item() == pytest.approx(2 * 64)
    assert resample_like(coarse.bfloat16(), torch.zeros(1, 1, 8, 8), HALVED).dtype == torch.bfloat16


def test_what_inference_made_can_be_trained_with():
    coarse = torch.randn(1, 1, 6, 6)
    with torch.inference_mode():
        resample_like(coarse, torch.zeros(1, 1, 13, 13), HALVED)
    coarse.requires_grad_()
    resample_like(coarse, torch.zeros(1, 1, 13, 13), HALVED).sum().backward()
    assert coarse.grad is not None


def test_rows_of_weights_add_up_to_one():
    rows = axis_weights(5, 40, (-3.0, 0.31), torch.float64, torch.device("cpu")).sum(dim=1)
    assert torch.allclose(rows, torch.ones_like(rows))


def test_exact_is_corners_where_these_align():
    """At sides of 32 k + 1 pixels the corners of symmetric networks' maps lie where their cells are."""
    torch.manual_seed(0)
    exact = create_pylon("tinynet_symmetric", classes=2, attention=False).eval()
    paper = create_pylon("tinynet_symmetric", classes=2, attention=False, alignment="paper").eval()
    paper.load_state_dict(exact.state_dict())
    images = torch.randn(1, 3, 129, 97)
    assert torch.allclose(exact.forward_heatmap(images), paper.forward_heatmap(images), atol=1e-4)
    assert not torch.allclose(
        exact.forward_heatmap(images[..., :96]), paper.forward_heatmap(images[..., :96]), atol=1e-2
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(64, 64), (70, 97), (33, 160)])
def test_levels_add_up_and_the_optimized_copy_agrees(kind, size):
    torch.manual_seed(0)
    model = create_pylon(f"tinynet_{kind}", classes=3).eval()
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        heatmap = model.forward_heatmap(images)
        assert torch.allclose(sum(model.forward_levels(images)), heatmap, atol=1e-5)
        for copy in (optimize(model), optimize(model, channels_last=False)):
            assert torch.allclose(copy.forward_heatmap(images), heatmap, atol=1e-4)
            assert copy.cell_grid(size) == model.cell_grid(size)


@pytest.mark.parametrize("up_modules", [0, 1, 2, 3])
def test_the_heatmaps_cells_are_those_of_the_finest_level_used(up_modules):
    model = create_pylon("tinynet_tensorflow", classes=1, up_modules=up_modules)
    stride = 32 / 2**up_modules
    assert model.cell_grid(100).first == (stride - 1,) * 2
    assert model.cell_grid((64, 96)).step == (stride,) * 2


def test_alignment_is_always_in_the_description(tmp_path):
    for alignment in ("exact", "paper"):
        model = create_pylon("tinynet_patches", classes=2, alignment=alignment)
        assert model.model_args["alignment"] == alignment
        folder = save_checkpoint(model, tmp_path / alignment)
        assert load_checkpoint(folder).model_args["alignment"] == alignment
    assert "alignment" not in create_model("cam_tinynet_patches", num_classes=2).model_args


def test_a_description_without_it_means_the_papers(tmp_path):
    folder = save_checkpoint(create_pylon("tinynet_patches", classes=2, alignment="paper"), tmp_path)
    text = (folder / "config.json").read_text(encoding="utf-8")
    (folder / "config.json").write_text(text.replace('"alignment": "paper"', '"in_chans": 3'), encoding="utf-8")
    assert load_checkpoint(folder).decoder.upsampling[0].places is None
    assert load_checkpoint(folder, alignment="exact").decoder.upsampling[0].places is not None
    assert said_options("cam_resnet18", {}) == {}


def test_pretrained_weights_can_be_run_either_way():
    images = torch.randn(1, 1, 192, 192)
    outputs = []
    for alignment in ("exact", "paper"):
        model = create_model("pylon_resnet18.phantom_cxr", alignment=alignment)
        with torch.no_grad():
            outputs.append(model(images))
    assert not torch.allclose(*outputs, atol=1e-2)


def test_paper_is_the_old_arithmetic():
    coarse, fine = torch.randn(1, 2, 6, 6), torch.randn(1, 1, 12, 12)
    expected = torch.nn.functional.interpolate(coarse, size=(12, 12), mode="bilinear", align_corners=True)
    assert torch.equal(resize_like(coarse, fine), expected)


@pytest.mark.parametrize("alignment", ["corners", "", None, True])
def test_a_wrong_alignment_is_answered_in_a_sentence(alignment):
    with pytest.raises(ConfigError, match=r"^alignment=.* is not valid; give one of 'exact', 'paper'\.$"):
        create_pylon("tinynet_patches", classes=2, alignment=alignment)
