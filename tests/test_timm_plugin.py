"""A timm user's sentences with our names; where the weights come from is in weights/test_timm_source.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import timm.optim
import timm.utils
import torch
from quick import slow_but
from timm.models import get_pretrained_cfg_value

import pylon_zoo as pz
from pylon_zoo import timm_plugin
from pylon_zoo.errors import ConfigError, UnknownNameError, WeightsError
from pylon_zoo.models.names import list_backbones
from pylon_zoo.models.pylon import Pylon
from pylon_zoo.weights import manifest

NAME = "pylon_resnet18.phantom_cxr"
ARCH = "pylon_test_resnet"


# -- names ------------------------------------------------------------------------------------------------------------


def test_every_architecture_has_a_name():
    names = timm.list_models("pylon_*")
    assert sorted(names) == sorted(f"pylon_{backbone}" for backbone in list_backbones())
    assert len(names) + len(list_backbones()) == len(timm.list_models())
    assert timm.list_models(module="timm_plugin") == names
    assert all(timm.is_model(name) for name in names)
    assert not timm.is_model("pylon_pylon_resnet50")


def test_our_names_are_not_backbones():
    assert not [name for name in list_backbones() if name.startswith("pylon_")]
    assert not [name for name in pz.list_models() if "_pylon_" in name]
    with pytest.raises(UnknownNameError, match="Unknown backbone 'pylon_resnet50'"):
        pz.create_pylon("pylon_resnet50")


def test_tags_are_those_of_the_manifest():
    assert timm.list_pretrained("pylon_*") == pz.list_pretrained("pylon_*")
    assert set(timm.list_models("pylon_resnet18*", include_tags=True)) >= {NAME, "pylon_resnet18", "pylon_resnet18d"}


def test_descriptions_are_registered():
    entry = manifest.load_manifest()[NAME]
    cfg = timm.get_pretrained_cfg(NAME)
    assert (cfg.architecture, cfg.tag) == ("pylon_resnet18", "phantom_cxr")
    assert (cfg.num_classes, cfg.label_names, cfg.input_size) == (8, entry.label_names, (1, 192, 192))
    bare = timm.get_pretrained_cfg("pylon_resnet18")
    assert (bare.num_classes, bare.input_size, bare.has_weights) == (1000, (3, 224, 224), None)
    assert get_pretrained_cfg_value("pylon_vit_small_patch16_224", "mean") == (0.5, 0.5, 0.5)


def test_a_broken_manifest_does_not_break_the_import(monkeypatch: pytest.MonkeyPatch):
    def broken(path: Path) -> None:
        raise WeightsError("The manifest is broken.")

    monkeypatch.setattr(manifest, "read_once", broken)
    assert list(timm_plugin.describe_architectures(["resnet18"])["pylon_resnet18"].tags) == [""]


def test_what_is_registered_is_not_registered_again(recwarn: pytest.WarningsRecorder):
    known = timm.models.model_entrypoint("pylon_resnet50")
    timm_plugin.register()
    assert timm.models.model_entrypoint("pylon_resnet50") is known
    assert not recwarn.list


# Sentences after which timm must know our names; the other order is the next test's.
ORDERS = {
    "timm afterwards": "import pylon_zoo; assert not {'torch', 'timm'} & set(sys.modules)",
    "ours first": "import pylon_zoo; pylon_zoo.create_model('cam_test_resnet')",
    "reloaded": (
        "import pylon_zoo, timm, importlib, warnings; warnings.simplefilter('error')\n"
        "for module in (pylon_zoo, timm, timm.models, pylon_zoo): importlib.reload(module)"
    ),
    "in two threads": (
        "from threading import Thread; from importlib import import_module\n"
        "threads = [Thread(target=import_module, args=[name]) for name in ('timm', 'pylon_zoo')]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()"
    ),
}


@pytest.mark.parametrize("order", slow_but({"ours first"}, ORDERS))
def test_our_names_are_there_whoever_is_imported_first(order: str):
    names = "import timm; print(timm.create_model('pylon_test_resnet', num_classes=2).num_classes)"
    code = f"import sys\n{ORDERS[order]}\n{names}"
    root = Path(pz.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout == "2\n", done.stderr


@pytest.mark.slow
def test_registering_warns_of_nothing_and_leaves_timms_modules_alone():
    code = (
        "import warnings; warnings.simplefilter('error'); import timm; before = set(timm.list_modules())\n"
        "import pylon_zoo; print(*(set(timm.list_modules()) - before))"
    )
    root = Path(pz.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["timm_plugin"]


# -- models without weights -------------------------------------------------------------------------------------------


def test_create():
    model = timm.create_model("pylon_resnet50", num_classes=14)
    assert type(model) is Pylon
    assert (model.architecture, model.num_classes, model.in_chans, model.training) == ("pylon_resnet50", 14, 3, True)
    assert model.pretrained_cfg == pz.create_pylon("resnet50", 14).pretrained_cfg


def test_a_name_without_a_tag_is_the_bare_architecture():
    model = timm.create_model("pylon_resnet18")
    assert (model.num_classes, model.in_chans, model.label_names[0]) == (1000, 3, "class_0")
    assert model.pretrained_cfg == pz.create_pylon("resnet18").pretrained_cfg


def test_a_tag_without_pretrained_is_its_network_untrained():
    model, ours = timm.create_model(NAME), pz.create_model(NAME)
    assert (model.num_classes, model.in_chans, model.label_names) == (8, 1, ours.label_names)
    assert model.model_args == ours.model_args
    assert not torch.equal(model.head.weight, ours.head.weight)


@pytest.mark.parametrize("flag", ["scriptable", "exportable", "no_jit"])
def test_timms_layer_flags(flag: str):
    model = timm.create_model(ARCH, num_classes=2, **{flag: True})
    assert model.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"global_pool": "avg"}, {"pooling": "avg"}),
        ({"global_pool": "avg", "pooling": "avg"}, {"pooling": "avg"}),
        ({"drop_path_rate": 0.1}, {"encoder_kwargs": {"drop_path_rate": 0.1}}),
        (
            {"drop_path_rate": 0.1, "encoder_kwargs": {"channels": [32, 64, 96, 192]}},
            {"encoder_kwargs": {"channels": [32, 64, 96, 192], "drop_path_rate": 0.1}},
        ),
        ({"drop_rate": 0.0, "features_only": False}, {}),
        ({"drop_rate": None, "global_pool": None, "img_size": None}, {}),
        ({"decoder_channels": 16, "attention": False}, {"decoder_channels": 16, "attention": False}),
    ],
    ids=str,
)
def test_timms_options_in_our_words(options: dict[str, Any], expected: dict[str, Any]):
    model = timm.create_model("pylon_test_resnet", num_classes=2, **options)
    assert model.model_args == {"in_chans": 3, "alignment": "exact", **expected}
    assert model.global_pool == expected.get("pooling", "max")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"features_only": True}, ConfigError, "features_only=True cannot be chosen .* call forward_heatmap"),
        ({"drop_rate": 0.1}, ConfigError, "drop_rate=0.1 cannot be chosen .* no dropout"),
        ({"global_pool": "avg", "pooling": "max"}, ConfigError, "for the same thing; give pylon_test_resnet one"),
        ({"global_pool": "catavgmax"}, UnknownNameError, "Unknown pooling 'catavgmax'"),
        ({"atention": False}, UnknownNameError, "Unknown option 'atention' .* Did you mean 'attention'"),
        ({"block_args": {"x": 1}, "drop_path_rate": 0.1, "no_such": 1}, UnknownNameError, "Unknown option"),
        ({"patch_drop_rate": 0.1}, ConfigError, "refused encoder_kwargs"),
    ],
    ids=str,
)
def test_options_without_a_meaning_here(options: dict[str, Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        timm.create_model("pylon_test_resnet", **options)


def test_device_and_dtype():
    model = timm.create_model(ARCH, num_classes=2, device="cpu", dtype=torch.bfloat16)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_label_names():
    assert timm.create_model(ARCH, label_names=["a", "b"]).label_names == ("a", "b")


# -- what timm does with a model --------------------------------------------------------------------------------------


def test_data_config():
    config = timm.data.resolve_model_data_config(timm.create_model(NAME, pretrained=True))
    assert (config["input_size"], config["mean"], config["std"]) == ((1, 192, 192), (0.517,), (0.285,))
    assert (config["interpolation"], config["crop_pct"], config["crop_mode"]) == ("bicubic", 1.0, "squash")
    assert timm.data.create_transform(**config)


@pytest.mark.parametrize("name", ["pylon_test_resnet", "pylon_test_vit"])
def test_layer_decay(name: str):
    model = timm.create_model(name, num_classes=2)
    optimizer = timm.optim.create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05, layer_decay=0.5)
    scale_of = {id(p): group["lr_scale"] for group in optimizer.param_groups for p in group["params"]}
    assert len(scale_of) == len(list(model.parameters()))
    stem = model.get_parameter(f"{model.pretrained_cfg['first_conv']}.weight")
    assert scale_of[id(stem)] < 0.1
    assert scale_of[id(model.head.weight)] == 1.0


def test_freeze():
    model = timm.create_model(ARCH, num_classes=2)
    timm.utils.freeze(model, ["encoder"])
    assert not any(p.requires_grad for p in model.encoder.parameters())
    assert all(p.requires_grad for p in model.decoder.parameters())
    before = {name: buffer.clone() for name, buffer in model.encoder.named_buffers()}
    model.train()(torch.rand(2, 3, 64, 64)).sum().backward()
    assert model.head.weight.grad is not None
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.encoder.named_buffers())
    timm.utils.unfreeze(model, ["encoder"])
    assert all(p.requires_grad for p in model.parameters())


def test_averaged_copies():
    model = timm.create_model(ARCH, num_classes=2, label_names=["a", "b"])
    ema = timm.utils.ModelEmaV3(model, decay=0.5)
    with torch.no_grad():
        model.head.bias.add_(1.0)
    ema.update(model)
    assert ema.module.label_names == ("a", "b")
    assert not torch.equal(ema.module.head.bias, model.head.bias)
    assert ema.module.pretrained_cfg is not model.pretrained_cfg
