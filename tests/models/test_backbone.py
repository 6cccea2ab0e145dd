from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pylon_zoo.errors import ConfigError, UnknownNameError, WeightsError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.names import resolve_backbone, timm_module


def on_meta(name: str, **options: Any) -> Backbone:
    with torch.device("meta"):
        return Backbone(name, **options)


# -- levels -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "output_stride", "strides"),
    [
        ("test_resnet", 4, [32, 16, 8, 4]),
        ("test_resnet", 8, [32, 16, 8]),
        ("test_resnet", 32, [32]),
        ("test_resnet", 5, [32, 16, 8]),
        ("test_resnet", 1, [32, 16, 8, 4, 2]),
        ("test_resnet", 64, [32]),
        ("test_vit", 4, [16, 16, 16]),
        ("test_vit", 32, [16, 16, 16]),
        ("test_vit", None, [16]),
        ("test_resnet", None, [32]),
        ("shvit_s1", None, [64]),
        ("vgg11", 4, [32, 16, 8, 4]),
        ("vgg11", 1, [32, 16, 8, 4, 2, 1]),
        ("pit_b_224", 4, [28, 14, 7]),
        ("convmixer_1536_20", 4, [7, 7, 7]),
        ("shvit_s1", 4, [64, 32, 16]),
        ("sedarknet21", 4, [16, 8, 4]),
        ("csatv2", 4, [64, 32, 16, 8]),
        ("sequencer2d_s", 4, [14, 14, 7]),
        ("crossvit_9_240", 4, [17, 12]),
    ],
)
def test_levels(name: str, output_stride: int | None, strides: list[int]):
    backbone = on_meta(name, output_stride=output_stride)
    assert backbone.strides == strides
    assert len(backbone.channels) == len(strides)


def test_the_papers_levels_of_resnet50():
    backbone = on_meta("resnet50")
    assert backbone.channels == [2048, 1024, 512, 256]


def test_the_last_level_alone():
    backbone = Backbone("test_vit", output_stride=None).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(backbone(x)[0], backbone.model(x)[-1])


def test_levels_of_equal_stride_go_from_the_deepest_to_the_shallowest():
    backbone = Backbone("test_vit").eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        raw = backbone.model(x)
        for level, expected in zip(backbone(x), reversed(raw), strict=True):
            assert torch.equal(level, expected)


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("test_resnet", {}),
        ("test_mambaout", {}),
        ("swin_tiny_patch4_window7_224", {"depths": (1, 1, 1, 1), "embed_dim": 8, "num_heads": (1, 1, 2, 2)}),
        ("test_vit", {}),
        ("test_efficientnet", {}),
        ("pit_ti_224", {"base_dims": (8, 8, 8), "depth": (1, 1, 1)}),
    ],
)
@pytest.mark.parametrize("size", [(64, 96), (50, 71)])
def test_maps_are_channels_first_whatever_the_layout(name: str, kwargs: dict[str, Any], size: tuple[int, int]):
    backbone = Backbone(name, encoder_kwargs=kwargs).eval()
    with torch.no_grad():
        levels = backbone(torch.randn(2, 3, *size))
    assert [tuple(level.shape) for level in levels] == [
        (2, channels, -(-size[0] // stride), -(-size[1] // stride))
        for channels, stride in zip(backbone.channels, backbone.strides, strict=True)
    ]


def test_channels_last_networks_are_permuted_and_nothing_else():
    backbone = Backbone("test_mambaout").eval()
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        raw = backbone.model(x)
        assert raw[-1].shape == (1, 2, 3, backbone.channels[0])
        assert torch.equal(backbone(x)[0], raw[-1].permute(0, 3, 1, 2))


def test_dilation_moves_the_strides():
    backbone = on_meta("resnet50", encoder_kwargs={"output_stride": 16})
    assert backbone.strides == [16, 16, 8, 4]


# -- padding and cropping ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_mambaout"])
def test_an_input_that_fits_is_not_padded(name: str):
    backbone = Backbone(name).eval()
    x = torch.randn(1, 3, 96, 64)
    assert backbone.padded_size(96, 64) == (96, 64)
    with torch.no_grad():
        raw = backbone.model(x)
        for level, index in zip(backbone(x), backbone._indices, strict=True):
            expected = raw[index].permute(0, 3, 1, 2) if name == "test_mambaout" else raw[index]
            assert torch.equal(level, expected)


def test_other_inputs_are_padded_with_zeros_at_the_right_and_bottom_and_cropped():
    backbone = Backbone("test_resnet").eval()
    x = torch.randn(1, 3, 70, 41)
    padded = torch.zeros(1, 3, 96, 64)
    padded[..., :70, :41] = x
    with torch.no_grad():
        actual, whole = backbone(x), backbone(padded)
    # Cells that begin inside the image: ceil(70 / 32) by ceil(41 / 32), then at 16, 8 and 4 pixels per cell.
    cells = [(3, 2), (5, 3), (9, 6), (18, 11)]
    for level, full, (rows, columns) in zip(actual, whole, cells, strict=True):
        assert torch.equal(level, full[..., :rows, :columns])


def test_a_network_of_one_size_gives_the_cells_of_the_image():
    backbone = Backbone("test_vit_relpos").eval()
    assert backbone.fixed_size == (160, 160)
    assert backbone.padded_size(100, 60) == (160, 160)
    with torch.no_grad():
        levels = backbone(torch.randn(1, 3, 100, 60))
    assert [tuple(level.shape[2:]) for level in levels] == [(7, 4)] * 3  # ceil(100 * 10 / 160), ceil(60 * 10 / 160)


@pytest.mark.parametrize("in_chans", [1, 2, 3, 5])
@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_nfnet"])
def test_in_chans(name: str, in_chans: int):
    backbone = Backbone(name, in_chans=in_chans).eval()
    assert backbone.in_chans == in_chans
    with torch.no_grad():
        assert backbone(torch.randn(1, in_chans, 40, 40))[0].isfinite().all()


# -- networks that run at one size ------------------------------------------------------------------------------------


def test_larger_images_are_refused_with_what_to_do():
    backbone = Backbone("test_vit_relpos")
    with pytest.raises(ConfigError, match=r"test_vit_relpos was built for 160×160 .* 161×100; .*img_size=\(161, 100\)"):
        backbone(torch.zeros(1, 3, 161, 100))


def test_built_for_another_size():
    backbone = Backbone("test_vit_relpos", img_size=(300, 417)).eval()
    assert backbone.fixed_size == (320, 448)
    with torch.no_grad():
        assert backbone(torch.randn(1, 3, 300, 417))[0].shape[2:] == (19, 27)
    assert Backbone("test_vit_relpos", img_size=96).fixed_size == (96, 96)


def test_a_network_is_built_for_multiples_of_its_own_patches():
    assert on_meta("sequencer2d_s", img_size=(300, 417)).fixed_size == (308, 420)


def test_a_square_network_is_built_square():
    backbone = on_meta("convit_tiny", img_size=(300, 417))
    assert backbone.fixed_size == (448, 448)


def test_a_network_of_its_native_size_only():
    backbone = on_meta("efficientformer_l1")
    with pytest.raises(ConfigError, match=r"built for 224×224 .* resize the images"):
        backbone.padded_size(225, 224)
    assert backbone.padded_size(64, 200) == (224, 224)
    with pytest.raises(ConfigError, match=r"img_size=\(320, 320\): efficientformer_l1 only exists for 224×224"):
        on_meta("efficientformer_l1", img_size=320)
    assert on_meta("efficientformer_l1", img_size=224).fixed_size == (224, 224)


def test_position_embeddings_of_a_vision_transformer_take_any_size():
    backbone = Backbone("test_vit").eval()
    assert backbone.fixed_size is None
    with torch.no_grad():
        assert backbone(torch.randn(1, 3, 300, 417))[0].shape[2:] == (19, 27)


# -- names, tags, options ---------------------------------------------------------------------------------------------


def test_timm_module():
    assert timm_module("resnet50.tv_in1k") == "resnet"
    assert timm_module("test_vit_relpos") == "vision_transformer_relpos"


@pytest.mark.parametrize(
    ("name", "pretrained", "full"),
    [
        ("resnet50", False, "resnet50"),
        ("resnet50", True, "resnet50"),
        ("resnet50.tv_in1k", False, "resnet50.tv_in1k"),
        ("resnet50.tv_in1k", True, "resnet50.tv_in1k"),
        ("resnet50", "tv_in1k", "resnet50.tv_in1k"),
        ("resnet50.tv_in1k", "tv_in1k", "resnet50.tv_in1k"),
    ],
)
def test_names_and_tags(name: str, pretrained: bool | str, full: str):
    assert resolve_backbone(name, pretrained) == full


@pytest.mark.parametrize(
    ("name", "pretrained", "error", "message"),
    [
        ("resnet5O", False, UnknownNameError, "Unknown backbone 'resnet5O'.*Did you mean 'resnet50'"),
        ("ResNet50", False, UnknownNameError, "Did you mean 'resnet50'"),
        ("qwertyuiop", False, UnknownNameError, "no such architecture. timm.list_models"),
        ("", False, UnknownNameError, "Unknown backbone ''"),
        ("resnet50.tv_in2k", False, UnknownNameError, "no weights 'tv_in2k' for 'resnet50'.*Did you mean 'tv_in1k'"),
        ("resnet50", "nih", UnknownNameError, "no weights 'nih' for 'resnet50'.*Tags of resnet50: .*tv_in1k"),
        ("resnet50.tv_in1k", "a1_in1k", ConfigError, "'tv_in1k' in the name .*'a1_in1k' in encoder_pretrained"),
        ("convnext_atto_rms", True, UnknownNameError, "no pretrained weights for 'convnext_atto_rms'"),
    ],
)
def test_wrong_names_and_tags(name: str, pretrained: bool | str, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        Backbone(name, pretrained=pretrained)


def test_a_tag_brings_its_own_input_description():
    assert on_meta("resnet50.tv_in1k").pretrained_cfg["tag"] == "tv_in1k"
    assert on_meta("vit_base_patch16_224.augreg_in21k").pretrained_cfg["mean"] == (0.5, 0.5, 0.5)


def test_encoder_kwargs_reach_the_network():
    blocks = Backbone("test_resnet", encoder_kwargs={"drop_path_rate": 0.5}).model.modules()
    rates = [block.drop_prob for block in blocks if type(block).__name__ == "DropPath"]
    assert max(rates) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder_kwargs": {"no_such_option": 1}}, "'test_resnet' refused encoder_kwargs.*no_such_option"),
        ({"encoder_kwargs": {"features_only": False}}, "refused encoder_kwargs"),
        ({"encoder_kwargs": {"img_size": 224}}, "encoder_kwargs holds 'img_size'"),
        ({"encoder_kwargs": {"in_chans": 1}}, "encoder_kwargs holds 'in_chans'"),
        ({"encoder_kwargs": {"pretrained": True}}, "encoder_kwargs holds 'pretrained'"),
        ({"output_stride": 0}, "output_stride=0 is not valid"),
        ({"output_stride": "4"}, "output_stride='4' is not valid"),
        ({"img_size": 0}, "img_size=0 is not valid"),
        ({"img_size": "224"}, "img_size='224' is not valid"),
        ({"img_size": (3, 224, 224)}, r"img_size=\(3, 224, 224\) is not valid"),
        ({"img_size": (224.0, 224.0)}, "img_size=.* is not valid; give the side of a square, or"),
    ],
    ids=str,
)
def test_wrong_options(options: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        Backbone("test_resnet", **options)


# -- pretrained weights, without a network ----------------------------------------------------------------------------


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """Weights of test_resnet in a file, in place of the Hub's."""
    weights = timm.create_model("test_resnet").state_dict()
    save_file(weights, tmp_path / "model.safetensors")

    def download(hf_id: str, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        assert hf_id.endswith("/test_resnet.r160_in1k")
        return load_file(tmp_path / "model.safetensors")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", download)
    return weights


@pytest.mark.parametrize(
    "options",
    [{"pretrained": True}, {"pretrained": "r160_in1k"}, {"name": "test_resnet.r160_in1k", "pretrained": True}],
)
def test_pretrained_weights_are_loaded(published: dict[str, Tensor], options: dict[str, Any]):
    backbone = Backbone(**{"name": "test_resnet", **options})
    for name, tensor in backbone.model.state_dict().items():
        torch.testing.assert_close(tensor, published[name], rtol=0, atol=0, msg=name)


def test_one_channel_sums_the_stem_over_rgb(published: dict[str, Tensor]):
    grey = Backbone("test_resnet", in_chans=1, pretrained=True).eval()
    colour = Backbone("test_resnet", pretrained=True).eval()
    stem = published["conv1.0.weight"]
    assert stem.shape[1] == 3
    torch.testing.assert_close(grey.model.state_dict()["conv1.0.weight"], stem.sum(dim=1, keepdim=True))
    x = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        for a, b in zip(grey(x), colour(x.expand(-1, 3, -1, -1)), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("in_chans", [2, 5])
def test_other_channel_counts_keep_the_stems_scale(published: dict[str, Tensor], in_chans: int):
    backbone = Backbone("test_resnet", in_chans=in_chans, pretrained=True)
    stem = published["conv1.0.weight"].repeat(1, 2, 1, 1)[:, :in_chans] * (3 / in_chans)
    torch.testing.assert_close(backbone.model.state_dict()["conv1.0.weight"], stem)


def test_weights_that_cannot_be_downloaded_are_an_error(monkeypatch: pytest.MonkeyPatch):
    def download(*args: Any, **kwargs: Any) -> None:
        raise FileNotFoundError("no connection")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", download)
    with pytest.raises(WeightsError, match=r"timm's weights of 'test_resnet' cannot be had .FileNotFoundError"):
        Backbone("test_resnet", pretrained=True)


# -- layer-wise learning rates and weight decay -----------------------------------------------------------------------


def test_depths_follow_the_forward_pass():
    depths = on_meta("resnet50").depths()
    assert depths["model.conv1"] < depths["model.layer1.0"] < depths["model.layer1.2"] < depths["model.layer2.0"]
    assert depths["model.layer4.2"] == max(depths.values())
    coarse = on_meta("resnet50").depths(coarse=True)
    assert "model.layer1.0" not in coarse
    assert coarse["model.layer4"] == max(coarse.values()) < depths["model.layer4.2"]


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("vit_small_patch16_224", "model.model.blocks.{}"),
        ("pit_s_224", "model.body.transformers.{}"),
        ("qwen3_vit_88m", "model.model.encoder.blocks.{}"),
    ],
)
def test_depths_look_inside_wrappers(name: str, block: str):
    depths = on_meta(name).depths()
    assert depths[block.format(0)] < depths[block.format(1)] < depths[block.format(2)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "exempt"),
    [
        ("swin_tiny_patch4_window7_224", "model.layers_0.blocks.0.attn.relative_position_bias_table"),
        ("vit_tiny_patch16_224", "model.model.cls_token"),
        ("pit_s_224", "model.body.pos_embed"),
        ("tiny_vit_5m_224", "model.stages_1.blocks.0.attn.attention_biases"),
        ("xcit_nano_12_p16_224", "model.model.pos_embed.token_projection.weight"),
    ],
)
def test_no_weight_decay_survives_timms_extractors(name: str, exempt: str):
    backbone = on_meta(name)
    listed = backbone.no_weight_decay()
    assert exempt in listed
    assert listed <= {parameter for parameter, _ in backbone.named_parameters()}
    assert len(listed) < len(list(backbone.parameters())) / 2


def test_networks_without_exemptions_have_none():
    assert on_meta("resnet50").no_weight_decay() == set()
