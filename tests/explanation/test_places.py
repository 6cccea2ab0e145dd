"""The whole way from a bright pixel to the peak that is drawn: it is that pixel, whatever the network's paddings."""

from __future__ import annotations

from itertools import product

import pytest
import tiny_networks
import torch
from tiny_networks import known_to_timm  # noqa: F401 (a fixture)
from torch import Tensor, nn

import pylon_zoo as pz
from pylon_zoo.attribution import AttributedClassifier
from pylon_zoo.deployment.exporting import export
from pylon_zoo.deployment.onnx_model import OnnxModel
from pylon_zoo.explanation.explainer import Explainer, LoadedImage
from pylon_zoo.explanation.peaks import find_peak
from pylon_zoo.metrics import PointAccuracy

SIDE, FINEST = 64, 4
KINDS = tuple(tiny_networks.KINDS)


def answering(kind: str, method: str = "pylon", **options) -> nn.Module:
    """A classifier of one class whose heatmap is, on every level, the blurred image."""
    if method == "pylon":
        options = {"attention": False, "up_layers": 1, "decoder_channels": 1} | options
    model = pz.create_model(f"{method}_tinynet_{kind}", num_classes=1, in_chans=1, **options).eval()
    for name, parameter in model.named_parameters():
        if name.startswith(("decoder", "head")):
            nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
    model.pretrained_cfg |= {"input_size": (1, SIDE, SIDE), "mean": (0.0,), "std": (1.0,)}
    return model


def bright(pixels: list[tuple[int, int]], side: int = SIDE) -> Tensor:
    """An image (N, 1, side, side) for each pixel (row, column), white there and black elsewhere."""
    images = torch.zeros(len(pixels), 1, side, side)
    for image, (row, column) in zip(images, pixels, strict=True):
        image[0, row, column] = 1.0
    return images


def peaks(model: nn.Module, images: Tensor, placement: str = "exact") -> list[tuple[int, int]]:
    """(row, column) of the drawn peak of each image, which is its own input."""
    explainer = Explainer(model, placement=placement)
    found = explainer.run([LoadedImage("", image, image) for image in images])
    size = tuple(images.shape[2:])
    drawn = [find_peak(one.native_heatmaps[0], size, one.grid) for one in found]
    assert found[0].finding("class_0").peak == drawn[0]
    return [(peak.y, peak.x) for peak in drawn]


def farthest(model: nn.Module, pixels: list[tuple[int, int]], placement: str = "exact", side: int = SIDE) -> int:
    """The largest distance of a drawn peak from its bright pixel, along an axis, in pixels."""
    found = peaks(model, bright(pixels, side), placement)
    return max(abs(a - b) for pixel, peak in zip(pixels, found, strict=True) for a, b in zip(pixel, peak, strict=True))


def diagonal(rows: range) -> list[tuple[int, int]]:
    """Pixels in every one of the rows and columns, with all pairs of remainders by the finest stride."""
    return [(row, rows[5 * place % len(rows)]) for place, row in enumerate(rows)]


def covered(model: nn.Module, stride: int) -> range:
    """Rows no farther than half a cell from the centre of one: beyond the outermost, the map has nothing nearer."""
    first = model.cell_grid(SIDE).first[0]
    last = first + stride * (SIDE // stride - 1)
    return range(max(0, int(first - stride / 2)), min(SIDE - 1, int(last + stride / 2)) + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_peak_is_the_bright_pixel_at_every_position(kind):
    model = answering(kind)
    for up in model.decoder.upsampling[:-1]:  # the finest level alone, up to the borders
        nn.init.zeros_(up.lateral[0].conv.weight)
    nn.init.zeros_(model.decoder.attention.mid.conv.weight)
    rows = covered(model, FINEST)
    assert len(rows) >= SIDE - 3
    assert farthest(model, diagonal(rows)) <= FINEST / 2


@pytest.mark.parametrize("kind", KINDS)
def test_all_levels_together_point_at_the_bright_pixel(kind):
    """Away from the borders, where zeros beyond the image pull at what coarse levels answer."""
    side = 3 * SIDE
    assert farthest(answering(kind), diagonal(range(SIDE, 2 * SIDE)), side=side) <= FINEST / 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_papers_placement_is_off_by_what_the_paddings_say(kind):
    model = answering(kind, up_modules=0)  # the coarsest level alone, 32 pixels a cell
    first = int(model.cell_grid(SIDE).first[0])
    on_cells = [(first + 32, first + 32), (first + 64, first + 32)]
    assert farthest(model, on_cells, side=3 * SIDE) <= 1
    assert (farthest(model, on_cells, "paper", side=3 * SIDE) > 10) == (kind != "patches")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "kind"), [("attention", "symmetric"), *product(["cam", "fpn", "grad_cam", "pylon"], KINDS)]
)
def test_a_rolled_image_moves_the_peak_as_far(method, kind):
    torch.manual_seed(3)
    # The mask of PYLON's attention is made on the coarsest map halved three times.
    stride = 256 if method == "attention" else 32
    side, patch, name = 10 * 32, 24, {"attention": "pylon", "grad_cam": "cam"}.get(method, method)
    options = {"attention": False} if method == "pylon" else {}
    if method == "attention":
        side = 7 * stride
    model = pz.create_model(f"{name}_tinynet_{kind}", num_classes=1, in_chans=1, pooling="avg", **options).eval()
    middle = side // 2 - patch // 2
    image = torch.zeros(1, 1, side, side)
    image[..., middle : middle + patch, middle : middle + patch] = torch.rand(patch, patch) + 1
    with torch.no_grad():  # random weights may answer the patch with the map's minimum
        heatmap = model.forward_heatmap(image)
        usual = heatmap.median()
        if usual - heatmap.min() > heatmap.max() - usual:
            model.head.weight.neg_()
    judged = AttributedClassifier(model, method) if method == "grad_cam" else model
    moves = [(0, 0), (stride, -stride)]
    moves += [(0, stride), (2 * stride, stride), (-stride, -2 * stride)] if method != "attention" else []
    found = peaks(judged, torch.cat([image.roll(move, dims=(2, 3)) for move in moves]))
    assert all(abs(at - side // 2) < 32 for at in found[0])
    for move, peak in zip(moves, found, strict=True):
        assert all(abs(peak[axis] - found[0][axis] - move[axis]) <= 1 for axis in (0, 1)), (move, found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(128, 96), (50, 200)])
def test_other_image_sizes_show_the_same_place(kind, size):
    model = answering(kind)
    row, column = 31, 30
    explainer = Explainer(model)
    inputs = bright([(row, column)])[0]
    (found,) = explainer.run([LoadedImage("", torch.zeros(1, *size), inputs)])
    peak = found.finding("class_0").peak
    there = (peak.y + 0.5) * SIDE / size[0] - 0.5, (peak.x + 0.5) * SIDE / size[1] - 0.5
    assert abs(there[0] - row) <= FINEST / 2 + SIDE / size[0]
    assert abs(there[1] - column) <= FINEST / 2 + SIDE / size[1]


@pytest.mark.parametrize("kind", KINDS)
def test_drawing_judging_and_masks_agree(kind):
    model = answering(kind)
    pixel = (21, 42)
    images = bright([pixel])
    ((row, column),) = peaks(model, images)
    mask = pz.smp_view(model)(images)[0, 0]
    assert divmod(int(mask.argmax()), SIDE) == (row, column)
    judge = PointAccuracy(1, (SIDE, SIDE), None, grid=model.cell_grid(SIDE))
    judge.update(model.forward_heatmap(images), [torch.tensor([[0.0, column, row, column, row]])])
    assert judge.compute().macro == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_file_draws_at_the_same_place(kind, tmp_path):
    model = answering(kind)
    other = OnnxModel(export(model, tmp_path / "model.onnx", size=SIDE).path)
    assert other.cell_grid(SIDE) == model.cell_grid(SIDE)
    pixels = [(9, 50), (33, 20)]
    assert peaks(other, bright(pixels)) == peaks(model, bright(pixels))


@pytest.mark.slow
@pytest.mark.parametrize("sides", [(64, 64), (100, 170)])
def test_an_exported_fixed_grid_knows_its_cells(sides, tmp_path):
    model = pz.create_model("li2018_tinynet_symmetric", num_classes=1, decoder_channels=4).eval()
    other = OnnxModel(export(model, tmp_path / "model.onnx").path)
    assert other.cell_grid(sides) == model.cell_grid(sides)


def test_a_wrong_placement_is_answered_in_a_sentence():
    for call in (
        lambda: pz.explain(answering("patches"), torch.zeros(1, SIDE, SIDE), placement="centre"),
        lambda: pz.smp_view(answering("patches"), "centre"),
    ):
        with pytest.raises(pz.PylonZooError, match=r"^placement='centre' is not valid; give 'exact'"):
            call()
