"""Weights through timm's own sentences: exactly what was published, or an error; random ones never, pickles never."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from loopback_hub import LoopbackHub
from timm.models import load_checkpoint, save_for_hf
from timm.models._factory import resolve_model_input_args

import pylon_zoo as pz
from pylon_zoo.errors import ConfigError, UnknownNameError, WeightsError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.pooling import AveragePooling
from pylon_zoo.weights import manifest, timm_source

NAME = "pylon_resnet18.phantom_cxr"
ARCH = "pylon_test_resnet"


def same(model: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Whether both have the same tensors, and give the same logits, bit for bit."""
    state, others = model.state_dict(), other.state_dict()
    x = torch.rand(2, model.in_chans, 64, 64)
    with torch.inference_mode():
        logits = torch.equal(model.eval()(x), other.eval()(x))
    return logits and state.keys() == others.keys() and all(torch.equal(state[name], others[name]) for name in state)


@pytest.fixture
def ours() -> HeatmapClassifier:
    return pz.create_model(NAME)


@pytest.fixture
def folder(ours, tmp_path: Path) -> Path:
    return pz.save_checkpoint(ours, tmp_path / "checkpoint")


# -- weights by tag ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [NAME, "pylon_resnet18.phantom-cxr", "pylon_resnet18"])
def test_weights_of_a_tag_are_ours_bit_for_bit(name: str, ours):
    model = timm.create_model(name, pretrained=True)
    assert model.training
    assert (model.label_names, model.activation, model.model_args) == (ours.label_names, "sigmoid", ours.model_args)
    assert {key: model.pretrained_cfg[key] for key in ours.pretrained_cfg} == ours.pretrained_cfg
    assert same(model, ours)


def test_pretrained_may_be_the_tag(ours):
    assert same(timm.create_model("pylon_resnet18", pretrained="phantom-cxr"), ours)
    with pytest.raises(UnknownNameError):
        timm.create_model("pylon_resnet18", pretrained="nobody")


@pytest.mark.parametrize("name", [NAME, "pylon_resnet18"])
def test_weights_as_timms_own_scripts_ask_for_them(name: str, ours):
    assert same(timm.create_model(pretrained=True, **resolve_model_input_args(name)), ours)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("pylon_resnet18.nobody", UnknownNameError),
        ("pylon_resnet34", UnknownNameError),
        ("pylon_resnet50.tv_in1k", UnknownNameError),  # a tag of timm's is not one of ours
        ("pylon_no_such_net", RuntimeError),
    ],
)
def test_never_random_weights(name: str, error: type[Exception]):
    with pytest.raises(error):
        timm.create_model(name, pretrained=True)


def test_planned_weights_raise(monkeypatch: pytest.MonkeyPatch):
    entry = manifest.load_manifest()[NAME]
    planned = type(entry)(**{**vars(entry), "source": "planned", "path": None, "files": {}})
    monkeypatch.setattr(manifest, "load_manifest", lambda: {NAME: planned})
    with pytest.raises(WeightsError, match="are not published yet"):
        timm.create_model(NAME, pretrained=True)
    untrained = timm.create_model(NAME)
    assert (untrained.num_classes, untrained.in_chans) == (8, 1)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_tampered_weights_raise(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bundled = tmp_path / "bundled"
    shutil.copytree(manifest.ROOM / "bundled", bundled)
    path = bundled / NAME / file
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))
    shutil.copy(manifest.manifest_path(), tmp_path)
    monkeypatch.setattr(manifest, "ROOM", tmp_path)
    with pytest.raises(WeightsError, match=f"{file} is not the file that was published"):
        timm.create_model(NAME, pretrained=True)


def test_another_number_of_classes_gets_a_fresh_head(ours):
    model = timm.create_model(NAME, pretrained=True, num_classes=3)
    assert (model.num_classes, model.label_names) == (3, ("class_0", "class_1", "class_2"))
    own, theirs = model.state_dict(), ours.state_dict()
    assert own["head.weight"].shape[0] == 3
    assert all(torch.equal(own[name], theirs[name]) for name in own if not name.startswith("head."))
    without = timm.create_model(NAME, pretrained=True, num_classes=0)
    assert without(torch.zeros(2, 1, 64, 64)).shape == (2, without.num_features)
    named = timm.create_model(NAME, pretrained=True, label_names=["a", "b"])
    assert (named.num_classes, named.label_names) == (2, ("a", "b"))


def test_another_number_of_channels_converts_the_stem(ours):
    model = timm.create_model(NAME, pretrained=True, in_chans=3).eval()
    assert model.pretrained_cfg["input_size"] == (3, 192, 192)
    assert model.pretrained_cfg["mean"] == (0.517,) * 3
    stem = f"{model.pretrained_cfg['first_conv']}.weight"
    repeated = ours.state_dict()[stem].repeat(1, 3, 1, 1) / 3
    torch.testing.assert_close(model.state_dict()[stem], repeated)
    grey = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(model(grey.expand(1, 3, 64, 64)), ours(grey), rtol=1e-4, atol=1e-4)


def test_channels_back_to_one_are_summed(tmp_path: Path):
    colour = timm.create_model(ARCH, num_classes=2).eval()
    source = f"local-dir:{pz.save_checkpoint(colour, tmp_path)}"
    grey = timm.create_model(source, pretrained=True, in_chans=1).eval()
    x = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(grey(x), colour(x.expand(1, 3, 64, 64)), rtol=1e-4, atol=1e-4)


def test_a_stem_that_is_no_convolution_is_refused(tmp_path: Path):
    model = pz.create_pylon("csatv2", 2, decoder_channels=8)
    source = f"local-dir:{pz.save_checkpoint(model, tmp_path)}"
    warnings.simplefilter("ignore")  # pytest puts the filters back
    with pytest.raises(ConfigError, match=r"in_chans=1, but .* take 3, and the stem of pylon_csatv2 cannot be adapted"):
        timm.create_model(source, pretrained=True, in_chans=1)


def test_options_beside_the_weights(ours):
    model = timm.create_model(NAME, pretrained=True, drop_path_rate=0.1, global_pool="avg")
    assert isinstance(model.pooling, AveragePooling)
    assert model.model_args["encoder_kwargs"] == {"channels": [32, 64, 96, 192], "drop_path_rate": 0.1}
    assert torch.equal(model.head.weight, ours.head.weight)
    with pytest.raises(WeightsError, match=f"weights in {NAME} do not fit"):
        timm.create_model(NAME, pretrained=True, decoder_channels=16)


# -- weights from files and repositories ------------------------------------------------------------------------------


def test_a_folder(folder: Path, ours):
    model = timm.create_model(f"local-dir:{folder}", pretrained=True)
    assert (model.label_names, model.pretrained_cfg) == (ours.label_names, ours.pretrained_cfg)
    assert same(model, ours)
    other = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=3, in_chans=3, global_pool="avg")
    assert (other.num_classes, other.in_chans, other.global_pool) == (3, 3, "avg")


def test_activation_and_labels_arrive_from_a_folder(tmp_path: Path):
    model = pz.create_pylon("test_resnet", label_names=["cat", "dog"], activation="softmax", pooling="avg")
    loaded = timm.create_model(f"local-dir:{pz.save_checkpoint(model, tmp_path)}", pretrained=True)
    assert (loaded.activation, loaded.label_names, loaded.global_pool) == ("softmax", ("cat", "dog"), "avg")


def test_only_safetensors_are_read(folder: Path, ours):
    (folder / "model.safetensors").unlink()
    torch.save(ours.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"model\.safetensors cannot be read"):
        timm.create_model(f"local-dir:{folder}", pretrained=True)
    overlay = {"file": str(folder / "pytorch_model.bin")}
    with pytest.raises(WeightsError, match="pickles are not read"):
        timm.create_model(NAME, pretrained=True, pretrained_cfg_overlay=overlay)


def test_an_overlay_names_other_weights(folder: Path, ours):
    fresh = timm.create_model(NAME)
    path = pz.save_checkpoint(fresh, folder.parent / "fresh") / "model.safetensors"
    assert same(timm.create_model(NAME, pretrained=True, pretrained_cfg_overlay={"file": str(path)}), fresh)
    state = {"state_dict": ours.state_dict()}
    assert same(timm.create_model(NAME, pretrained=True, pretrained_cfg_overlay=state), ours)
    with pytest.raises(ConfigError, match="names no weights that can be loaded"):
        timm.create_model(NAME, pretrained=True, pretrained_cfg_overlay={"url": "https://example.org/a.pth"})
    assert timm.create_model(ARCH, pretrained_cfg_overlay={"mean": (0.1, 0.2, 0.3)}).pretrained_cfg["mean"][0] == 0.1


def test_checkpoint_path_is_timms_own(ours, tmp_path: Path):
    torch.save({"state_dict": ours.state_dict()}, tmp_path / "last.pth.tar")
    assert same(timm.create_model(NAME, checkpoint_path=str(tmp_path / "last.pth.tar")), ours)
    model = timm.create_model(NAME)
    load_checkpoint(model, str(tmp_path / "last.pth.tar"))
    assert same(model, ours)


def test_round_trip_through_timms_own_export(tmp_path: Path):
    model = timm.create_model(NAME, pretrained=True, drop_path_rate=0.1)
    model.reset_classifier(2, "avg")
    model.set_labels(["a", "b"])
    save_for_hf(model, tmp_path, safe_serialization=True, model_config={"label_names": list(model.label_names)})
    loaded = timm.create_model(f"local-dir:{tmp_path}", pretrained=True)
    assert same(loaded, model)
    assert (loaded.label_names, loaded.global_pool) == (("a", "b"), "avg")
    assert loaded.pretrained_cfg["mean"] == model.pretrained_cfg["mean"]


def test_export_after_another_pooling_forgets_the_old_ones_options(tmp_path: Path):
    model = timm.create_model(ARCH, num_classes=2, pooling="topk", pooling_kwargs={"k": 3})
    save_for_hf(model, tmp_path / "topk", safe_serialization=True)
    assert timm.create_model(f"local-dir:{tmp_path / 'topk'}", pretrained=True).pooling.k == 3
    model.reset_classifier(2, "avg")
    save_for_hf(model, tmp_path / "avg", safe_serialization=True)
    assert same(timm.create_model(f"local-dir:{tmp_path / 'avg'}", pretrained=True), model)


# -- weights from a Hub -----------------------------------------------------------------------------------------------

REPO = "org/model"


@pytest.fixture
def commit(hub: LoopbackHub, folder: Path) -> str:
    """A repository with the checkpoint; its commit."""
    return hub.add(REPO, {path.name: path.read_bytes() for path in folder.iterdir()})


def files_asked(hub: LoopbackHub) -> set[str]:
    return {path.rpartition("/")[2] for method, path in hub.log if method == "HEAD"}


@pytest.mark.parametrize("pinned", [False, True])
def test_a_repository(hub: LoopbackHub, commit: str, ours, pinned: bool):
    model = timm.create_model(f"hf-hub:{REPO}@{commit}" if pinned else f"hf-hub:{REPO}", pretrained=True)
    assert same(model, ours)
    assert (model.label_names, model.pretrained_cfg) == (ours.label_names, ours.pretrained_cfg)
    assert files_asked(hub) == {"config.json", "model.safetensors"}


def test_thresholds_arrive_with_the_head_they_belong_to(hub: LoopbackHub, ours, tmp_path: Path):
    ours.set_thresholds([0.25] * 8)
    folder = pz.save_checkpoint(ours, tmp_path / "with")
    hub.add(REPO, {path.name: path.read_bytes() for path in folder.iterdir()})
    for name in (f"hf-hub:{REPO}", f"local-dir:{folder}"):
        assert timm.create_model(name, pretrained=True).thresholds == (0.25,) * 8
        assert timm.create_model(name, pretrained=True, num_classes=2).thresholds is None


@pytest.mark.parametrize("fault", ["corrupted", "short", "a web page", "cut", "404", "500", "503"])
def test_a_faulty_hub_never_gives_other_weights_or_a_pickle(hub: LoopbackHub, folder: Path, ours, fault: str):
    torch.save(ours.state_dict(), folder / "pytorch_model.bin")
    hub.add(REPO, {path.name: path.read_bytes() for path in folder.iterdir()})
    hub.fail(fault, methods=("GET", "HEAD") if fault.isdigit() else ("GET",))
    with pytest.raises(WeightsError):
        timm.create_model(f"hf-hub:{REPO}", pretrained=True)
    assert "pytorch_model.bin" not in {path.rpartition("/")[2] for _, path in hub.log}


def test_a_wrong_hash_in_the_description_raises(hub: LoopbackHub, folder: Path):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"sha256": "0" * 64}
    hub.add(
        REPO,
        {
            "config.json": json.dumps(config).encode(),
            "model.safetensors": (folder / "model.safetensors").read_bytes(),
        },
    )
    with pytest.raises(WeightsError, match="is not the file that was published"):
        timm.create_model(f"hf-hub:{REPO}", pretrained=True)


def test_a_repository_with_a_pickle_alone_raises(hub: LoopbackHub, folder: Path, ours):
    torch.save(ours.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    hub.add(REPO, {path.name: path.read_bytes() for path in folder.iterdir()})
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        timm.create_model(f"hf-hub:{REPO}", pretrained=True)


def test_another_cache_is_refused(commit: str, tmp_path: Path):
    with pytest.raises(ConfigError, match="set the environment variable HF_HUB_CACHE"):
        timm.create_model(f"hf-hub:{REPO}", pretrained=True, cache_dir=tmp_path)


def test_weights_of_the_manifest_on_the_hub(hub: LoopbackHub, ours, monkeypatch: pytest.MonkeyPatch):
    entry = manifest.load_manifest()[NAME]
    folder = manifest.ROOM / entry.path
    commit = hub.add(REPO, {name: (folder / name).read_bytes() for name in entry.files})
    listed = replace(entry, source="hub", repo=REPO, revision=commit, path=None)
    place = {"hf_hub_id": f"{REPO}@{commit}", "hf_hub_filename": "model.safetensors"}
    assert timm_source.location(listed) == place
    monkeypatch.setattr(manifest, "load_manifest", lambda: {NAME: listed})
    assert same(timm.create_model(NAME, pretrained=True), ours)
    assert same(timm.create_model(f"hf-hub:{place['hf_hub_id']}", pretrained=True), ours)
    wrong = {**entry.files, "model.safetensors": replace(entry.files["model.safetensors"], sha256="0" * 64)}
    monkeypatch.setattr(manifest, "load_manifest", lambda: {NAME: replace(listed, files=wrong)})
    for name in (NAME, f"hf-hub:{place['hf_hub_id']}"):
        with pytest.raises(WeightsError, match="is not the file that was published"):
            timm.create_model(name, pretrained=True)
