"""PYLON's stem: a level of stride 4 from the images, under encoders whose finest map is coarser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from random_norms import randomize_norms
from torch import Tensor, nn

import pylon_zoo as pz
from pylon_zoo.cells import CellGrid, to_pixels
from pylon_zoo.deployment.exporting import TOLERANCE, export
from pylon_zoo.deployment.optimization import optimize
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.mask_view import smp_view
from pylon_zoo.models.pylon_decoder import STEM_GRID, Stem
from pylon_zoo.weights.checkpoint import load_checkpoint, model_config, model_from, save_checkpoint

COARSE = {
    "ViT": ("test_vit", {}),
    "ViT of one size": ("test_vit_relpos", {}),
    "ResNet from stride 8": ("test_resnet", {"output_stride": 8}),
}
SIZES = [(64, 64), (50, 71), (33, 97)]
any_encoder = pytest.mark.parametrize("kind", COARSE)
any_size = pytest.mark.parametrize("size", SIZES, ids=str)


def model_of(kind: str = "ViT", **options: Any) -> HeatmapClassifier:
    torch.manual_seed(0)
    name, own = COARSE[kind]
    options = {"num_classes": 3, "decoder_channels": 8, "stem": True, **own, **options}
    return randomize_norms(build_model(f"pylon_{name}", **options))


@pytest.mark.slow
@any_encoder
@any_size
@pytest.mark.parametrize("alignment", ["exact", "paper"])
def test_cells_of_four_pixels_whose_levels_add_up(kind: str, size: tuple[int, int], alignment: str):
    model = model_of(kind, alignment=alignment)
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        heatmap, levels = model.forward_heatmap(x), model.forward_levels(x)
        assert heatmap.shape == (2, 3, -(-size[0] // 4), -(-size[1] // 4))
        assert model.cell_grid(size) == STEM_GRID
        assert len(levels) == len(model.encoder.strides) + 1
        torch.testing.assert_close(torch.stack(levels).sum(0), heatmap, rtol=1e-4, atol=1e-4)
        fast = optimize(model)
        torch.testing.assert_close(fast.forward_heatmap(x), heatmap, rtol=1e-4, atol=1e-4)
    assert fast.cell_grid(size) == STEM_GRID
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in fast.modules())


@any_size
def test_coarse_levels_lie_where_they_look(size: tuple[int, int]):
    """With a stem that says nothing, the map is that without one, read at every fourth pixel."""
    silent, plain = model_of(), model_of(stem=False)
    plain.load_state_dict(silent.state_dict(), strict=False)
    last = silent.decoder.upsampling[-1].lateral[-1].norm
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        expected = to_pixels(plain.forward_heatmap(x), size, CellGrid((7.5, 7.5), (16.0, 16.0)))[..., ::4, ::4]
        torch.testing.assert_close(silent.forward_heatmap(x), expected, rtol=1e-4, atol=1e-5)


@any_encoder
def test_a_cell_of_the_stem_sees_seven_pixels_around_its_own(kind: str):
    model = model_of(kind)
    for row, column, cells in ((20, 32, {(5, 8)}), (22, 32, {(5, 8), (6, 8)}), (49, 70, {(12, 17)})):
        x = torch.zeros(1, 3, 50, 71)
        seen = model.forward_levels(x)[-1]
        x[..., row, column] = 100
        moved = (model.forward_levels(x)[-1] != seen).any(1)[0].nonzero().tolist()
        assert {tuple(cell) for cell in moved} == cells


def test_the_image_is_not_padded_for_the_stem():
    """Though the network is run at its one size: the stem's level is that of the image by itself."""
    model = model_of("ViT of one size")
    up, x = model.decoder.upsampling[-1], torch.randn(1, 3, 50, 71)
    with torch.no_grad():
        alone = nn.functional.conv2d(up.lateral(x), model.head.weight)
        assert model.encoder.padded_size(50, 71) != (50, 71)
        torch.testing.assert_close(model.forward_levels(x)[-1], alone, rtol=1e-4, atol=1e-4)


def test_the_stem_is_part_of_the_decoder():
    model = build_model("pylon_test_vit", 2, stem=True)
    stem = [module for module in model.modules() if isinstance(module, Stem)]
    assert [name for name, module in model.named_modules() if module is stem[0]] == ["decoder.upsampling.2.lateral.0"]
    model.freeze_encoder("stay")
    assert all(parameter.requires_grad for parameter in model.decoder.parameters())
    assert stem[0].training
    own = {id(parameter) for parameter in smp_view(model).parameters()}
    assert own == {id(parameter) for parameter in model.parameters()}


@pytest.mark.parametrize(
    ("backbone", "options", "message"),
    [
        (
            "test_resnet",
            {},
            r"^stem=True adds a level of stride 4, but test_resnet.* has one of stride 4 already; .* out\.$",
        ),
        ("test_resnet", {"output_stride": 2}, "has one of stride 2 already"),
        ("test_vit", {"up_modules": 2}, r"^up_modules=2 leaves out the stem, .* give 3, or None for all of them\.$"),
        ("test_vit", {"up_modules": 0}, "up_modules=0 leaves out the stem"),
        ("test_vit", {"up_modules": 4}, "up_modules=4, but .* give 0 to 3"),
        ("test_vit", {"stem": 1}, "stem=1 is not valid; give one of True, False"),
    ],
    ids=str,
)
def test_refusals(backbone: str, options: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        build_model(f"pylon_{backbone}", 2, **{"stem": True, **options})


def test_saved_and_loaded(tmp_path: Path):
    model = model_of(in_chans=1)
    twin = load_checkpoint(save_checkpoint(model, tmp_path)).eval()
    assert twin.stem
    assert twin.model_args["stem"] is True
    assert "stem" not in model_of(stem=False).model_args
    x = torch.randn(1, 1, 50, 71)
    torch.testing.assert_close(twin.forward_heatmap(x), model.forward_heatmap(x), rtol=0, atol=0)


def test_through_timm_and_torch_hub():
    repository = str(Path(pz.__file__).resolve().parents[1])
    options = {"num_classes": 2, "stem": True}
    for model in (
        torch.hub.load(repository, "pylon", "test_vit", source="local", **options),
        pz.create_pylon("test_vit", classes=2, stem=True),
    ):
        assert model.eval().forward_heatmap(torch.zeros(1, 3, 64, 64)).shape == (1, 2, 16, 16)


@pytest.mark.parametrize(("trained", "other"), [(3, 1), (1, 3)])
def test_weights_for_other_channels(trained: int, other: int):
    model = model_of(in_chans=trained)
    adapted = model_from(model_config(model, {}), model.state_dict(), where="there", in_chans=other).eval()
    assert adapted.pretrained_cfg["first_conv"] == (
        "encoder.model.model.patch_embed.proj",
        "decoder.upsampling.2.lateral.0.0.conv",
    )
    grey = torch.randn(1, 1, 64, 64)

    def of(model: HeatmapClassifier) -> Tensor:
        return model.forward_heatmap(grey.expand(1, model.in_chans, 64, 64))

    with torch.no_grad():
        torch.testing.assert_close(of(adapted), of(model), rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ViT", "ResNet from stride 8"])
def test_exports(kind: str, tmp_path: Path):
    size = {"size": (64, 96)} if kind == "ViT" else {}  # whose position embedding is for one size
    model = model_of(kind, **({"img_size": 64} if size else {}))
    assert export(model, tmp_path / "model.onnx", **size).difference <= TOLERANCE


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_learns_under_autocast_and_channels_last(norm: str):
    model = build_model("pylon_test_vit", 2, 1, stem=True, norm=norm).train().to(memory_format=torch.channels_last)
    for size in SIZES:
        x = torch.randn(2, 1, *size).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits, heatmap = model.forward_with_heatmap(x)
        assert heatmap.isfinite().all()
        model.zero_grad()
        logits.square().sum().backward()
        assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
