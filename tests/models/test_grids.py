"""Claimed centres of cells against measured ones, and networks that no table knows."""

from __future__ import annotations

import pytest
import tiny_networks
import torch
from timm.models import is_model
from tiny_networks import known_to_timm  # noqa: F401 (a fixture)
from torch import nn

from pylon_zoo.cells import CellGrid, tiling
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.gap import GapBackbone
from pylon_zoo.models.grids import HARMLESS, first_cells, found_grids, found_levels, tabled_levels
from pylon_zoo.models.probing import draw_weights, measure_firsts
from pylon_zoo.models.tracing import trace_grids

# One of each way to place cells; benchmarks/cell_grids.py measures many more.
MEASURED = (
    "convnext_atto",
    "mobilenetv3_small_050",
    "pvt_v2_b0",
    "regnetx_002",
    "resnet18",
    "tf_efficientnet_lite0",
)


def traced(encoder: Backbone, side: int = 96) -> list[CellGrid | None]:
    return trace_grids(encoder.eval()._maps, torch.zeros(1, encoder.in_chans, *encoder.padded_size(side, side)))


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_claimed_centres_are_the_measured_ones(name):
    encoder = Backbone(name, output_stride=4).eval().requires_grad_(False)
    claimed, noise = encoder.cell_grids((224, 192)), torch.Generator().manual_seed(0)

    def run(images):
        draw_weights(encoder, noise)
        return encoder(images)

    found = measure_firsts(run, torch.zeros(1, 3, 224, 192), [grid.step for grid in claimed], probes=16)
    for grid, one, stride in zip(claimed, found, encoder.strides, strict=True):
        allowed = max(1.0, 0.1 * stride)
        for said, measured, error in zip(grid.first, one.first, one.error, strict=True):
            assert abs(said - measured) <= allowed + 2 * error, (stride, grid.first, one)


@pytest.mark.parametrize("name", [*MEASURED, "test_vit"])
def test_the_table_says_what_the_layers_say(name):
    encoder = Backbone(name, output_stride=1)
    assert tabled_levels(name, encoder.strides, {}) is not None
    assert list(encoder.grids) == traced(encoder)


@pytest.mark.parametrize("kind", tiny_networks.KINDS)
def test_a_users_own_network_is_followed(kind):
    encoder = Backbone(f"tinynet_{kind}", output_stride=2, in_chans=1)
    centre = tiny_networks.KINDS[kind][1]
    assert encoder.grids == tuple(CellGrid((centre(s),) * 2, (float(s),) * 2) for s in (32, 16, 8, 4, 2))


def test_options_that_move_cells_are_not_looked_up():
    assert tabled_levels("resnet18", [32], {"drop_path_rate": 0.1}) is not None
    assert tabled_levels("resnet18", [32], {"output_stride": 8}) is None
    assert "output_stride" not in HARMLESS
    dilated = Backbone("resnet18", encoder_kwargs={"output_stride": 8})
    assert [grid.step for grid in dilated.grids] == [(float(stride),) * 2 for stride in dilated.strides]
    assert {grid.first for grid in dilated.grids} == {(0.0, 0.0)}


def test_every_tabled_architecture_is_one_of_timms():
    assert len(first_cells()) > 500
    assert [name for name in first_cells() if not is_model(name)] == []


def test_grids_hold_at_every_size_and_shape():
    encoder = Backbone("tf_efficientnet_lite0", output_stride=4)
    for height, width in ((96, 96), (64, 128), (128, 160)):
        images = torch.zeros(1, 3, height, width)
        assert tuple(trace_grids(encoder.eval()._maps, images)) == encoder.cell_grids((height, width))


def test_unpadded_networks_say_how_many_cells_they_have():
    encoder = Backbone("inception_v3", output_stride=4)
    for size in ((150, 96), (299, 300)):
        assert [tuple(level.shape[2:]) for level in encoder(torch.zeros(1, 3, *size))] == encoder.cells(size)


def test_the_map_before_timms_own_classifier_has_its_place():
    assert GapBackbone("tf_efficientnet_lite0").grids == (CellGrid((31.0, 31.0), (32.0, 32.0)),)


def test_what_is_lost_is_measured():
    def run(images):
        # A product with a matrix, which says nothing about places, that averages pairs of neighbours.
        side = images.shape[3]
        halve = torch.eye(side // 2).repeat_interleave(2, dim=0).to(images) / 2
        maps = torch.bmm(images[:, 0], halve.expand(len(images), -1, -1))
        return [torch.bmm(halve.T.expand(len(images), -1, -1), maps).view(len(images), 1, side // 2, side // 2)]

    images = torch.zeros(1, 1, 32, 32)
    assert trace_grids(run, images) == [None]
    (grid,) = found_grids(run, images)
    assert grid.step == (2.0, 2.0)
    assert grid.first == pytest.approx((0.5, 0.5), abs=1e-6)
    assert found_grids(run, images.to("meta")) == [tiling((16, 16), (32, 32))]


def test_levels_say_what_they_lack():
    (level,) = found_levels(lambda x: [nn.functional.max_pool2d(x, 3, 2)], torch.zeros(1, 3, 32, 32), [2])
    assert level.lacking == (1, 1)
    assert level.grid == CellGrid((1.0, 1.0), (2.0, 2.0))
