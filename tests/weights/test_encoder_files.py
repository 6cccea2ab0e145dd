"""Encoders from files of the user's, in every form people keep them in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import pylon_zoo as pz
from pylon_zoo.errors import ConfigError, PylonZooError, WeightsError
from pylon_zoo.training.recipe_files import load_recipe
from pylon_zoo.training.train import model_for, open_split, train
from pylon_zoo.weights.encoder_files import read_encoder
from pylon_zoo.weights.encoders import build_on_encoder

NAME, ARCH = "pylon_test_resnet", "test_resnet"


@pytest.fixture(scope="module")
def donor() -> nn.Module:
    torch.manual_seed(5)
    return timm.create_model(ARCH)


@pytest.fixture
def file(donor: nn.Module, tmp_path: Path) -> Path:
    path = tmp_path / "encoder.safetensors"
    save_file(donor.state_dict(), path)
    return path


def has_it(model: nn.Module, donor: nn.Module) -> bool:
    """Whether the whole encoder is the donor's."""
    state = {name.replace(".", "_"): tensor for name, tensor in donor.state_dict().items()}
    own = model.encoder.model.state_dict()
    return all(torch.equal(tensor, state[name.replace(".", "_")]) for name, tensor in own.items())


class Wrapped(nn.Module):
    """What data parallel and compiled models look like."""

    def __init__(self, model: nn.Module, name: str) -> None:
        super().__init__()
        self.add_module(name, model)


WRAPPED: dict[str, Callable[[nn.Module], Mapping[str, Any]]] = {
    "plain": lambda donor: donor.state_dict(),
    "state_dict": lambda donor: {"epoch": 3, "arch": ARCH, "state_dict": donor.state_dict(), "optimizer": {}},
    "model": lambda donor: {"model": donor.state_dict()},
    "average": lambda donor: {"state_dict": timm.create_model(ARCH).state_dict(), "state_dict_ema": donor.state_dict()},
    "parallel": lambda donor: Wrapped(donor, "module").state_dict(),
    "compiled": lambda donor: Wrapped(Wrapped(donor, "_orig_mod"), "module").state_dict(),
}


@pytest.mark.parametrize("ending", ["pth", "pt", "bin", "pth.tar"])
@pytest.mark.parametrize("form", WRAPPED)
def test_files_of_pytorch(form: str, ending: str, donor: nn.Module, tmp_path: Path):
    path = tmp_path / f"encoder.{ending}"
    torch.save(WRAPPED[form](donor), path)
    assert has_it(pz.create_model(NAME, num_classes=2, encoder_weights=path), donor)


def test_every_way_to_make_a_model(donor: nn.Module, file: Path):
    models = [
        pz.create_pylon(ARCH, classes=2, encoder_weights=str(file)),
        pz.create_model(NAME, num_classes=2, encoder_weights=file),
        pz.create_model(NAME, num_classes=2, encoder_weights=donor.state_dict()),
        pz.create_model("cam_test_resnet", num_classes=2, encoder_weights=file),
        pz.create_model("fpn_test_resnet", num_classes=2, encoder_weights=file),
        timm.create_model(NAME, num_classes=2, encoder_weights=str(file)),
    ]
    assert all(has_it(model, donor) for model in models)
    assert not has_it(pz.create_model(NAME, num_classes=2), donor)


def test_the_home_folder(donor: nn.Module, file: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("HOME", "USERPROFILE"):  # the one that this system asks
        monkeypatch.setenv(name, str(file.parent))
    assert has_it(pz.create_model(NAME, num_classes=2, encoder_weights="~/encoder.safetensors"), donor)


def test_a_checkpoint_needs_the_file_no_more(donor: nn.Module, file: Path, tmp_path: Path):
    folder = pz.save_checkpoint(pz.create_model(NAME, num_classes=2, encoder_weights=file), tmp_path / "checkpoint")
    assert "encoder_weights" not in (folder / "config.json").read_text(encoding="utf-8")
    file.unlink()
    assert has_it(pz.create_model(NAME, pretrained=folder), donor)


def test_a_description_cannot_make_a_file_be_read(file: Path, tmp_path: Path):
    folder = pz.save_checkpoint(pz.create_model(NAME, num_classes=2), tmp_path / "checkpoint")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["model_args"]["encoder_weights"] = str(tmp_path / "nowhere.pth")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert pz.create_model(NAME, pretrained=folder).num_classes == 2


@pytest.mark.parametrize("make", [pz.create_model, timm.create_model])
def test_a_whole_models_weights_leave_no_choice(make: Callable[..., nn.Module], file: Path):
    with pytest.raises(ConfigError, match="encoder_weights cannot be chosen for pretrained weights of pylon_resnet18"):
        make("pylon_resnet18.phantom_cxr", pretrained=True, encoder_weights=str(file))


@pytest.fixture
def folder(donor: nn.Module, tmp_path: Path) -> Path:
    """What timm publishes on the Hub."""
    path = tmp_path / "repository"
    path.mkdir()
    save_file(donor.state_dict(), path / "model.safetensors")
    cfg = {"tag": "ours", "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "interpolation": "bilinear", "url": "x"}
    (path / "config.json").write_text(
        json.dumps({"architecture": ARCH, "num_classes": 1000, "pretrained_cfg": cfg}), encoding="utf-8"
    )
    return path


def test_a_folder_says_how_images_must_look(donor: nn.Module, folder: Path):
    model = pz.create_model(NAME, num_classes=2, encoder_weights=folder)
    assert has_it(model, donor)
    cfg = model.pretrained_cfg
    assert (cfg["mean"], cfg["std"], cfg["interpolation"]) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bilinear")
    grey = pz.create_model(NAME, num_classes=2, in_chans=1, encoder_weights=folder)
    assert grey.pretrained_cfg["mean"] == (0.2,)


def test_a_folder_with_a_pickle_and_no_description(donor: nn.Module, folder: Path):
    for path in folder.iterdir():
        path.unlink()
    torch.save(donor.state_dict(), folder / "pytorch_model.bin")
    assert has_it(pz.create_model(NAME, num_classes=2, encoder_weights=folder), donor)


def test_timm_writes_such_folders(donor: nn.Module, tmp_path: Path):
    from timm.models import save_for_hf

    save_for_hf(donor, tmp_path / "saved", safe_serialization=True)
    assert has_it(pz.create_model(NAME, num_classes=2, encoder_weights=tmp_path / "saved"), donor)


class Payload:
    """Creates a file when it is unpickled in the usual way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return shutil.copyfile, (__file__, str(self.path))


def test_nothing_in_a_pickle_is_executed(donor: nn.Module, tmp_path: Path):
    path, mark = tmp_path / "encoder.pth", tmp_path / "mark"
    torch.save({"state_dict": donor.state_dict(), "extra": Payload(mark)}, path)
    with pytest.raises(
        WeightsError, match=r"encoder.pth holds more than weights: .* would call shutil\.copyfile"
    ) as one:
        pz.create_model(NAME, num_classes=2, encoder_weights=path)
    assert not mark.exists()
    assert "\n" not in str(one.value)


def save(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


def text(content: str, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


WRONG: dict[str, tuple[Callable[[Path], object], type[PylonZooError], str]] = {
    "missing": (lambda tmp: tmp / "none.pth", WeightsError, r"none\.pth cannot be read: No such file"),
    "a number": (lambda tmp: 3, ConfigError, "encoder_weights=3 is not valid; give a file"),
    "a flag": (lambda tmp: True, ConfigError, "encoder_weights=True is not valid"),
    "another ending": (lambda tmp: text("", tmp / "e.npz"), ConfigError, r"e\.npz' is no file of weights by its name"),
    "no safetensors": (lambda tmp: text("abc", tmp / "e.safetensors"), WeightsError, "is not a complete safetensors"),
    "no pickle": (lambda tmp: text("abc", tmp / "e.pth"), WeightsError, "is no complete checkpoint of PyTorch"),
    "a list": (lambda tmp: save([1], tmp / "e.pth"), WeightsError, r"e\.pth holds a list, not a state dict"),
    "no tensors": (lambda tmp: save({"a": 1}, tmp / "e.pth"), WeightsError, "holds 'a', a int, where a state dict has"),
    "nothing": (lambda tmp: {}, WeightsError, "the state dict holds a dict, not a state dict"),
    "an empty folder": (lambda tmp: tmp, WeightsError, r"holds no model\.safetensors or pytorch_model\.bin"),
    "a broken description": (
        lambda tmp: text("{", tmp / "hub" / "config.json").parent,
        WeightsError,
        r"config\.json is not JSON",
    ),
    "a description of something else": (
        lambda tmp: text('{"architecture": "resnet50"}', tmp / "hub" / "config.json").parent,
        ConfigError,
        "hub holds 'resnet50', but encoder_weights of 'test_resnet' were asked for",
    ),
    "a description that is none": (
        lambda tmp: text("[]", tmp / "hub" / "config.json").parent,
        ConfigError,
        "hub holds None, but encoder_weights",
    ),
    "a description with no object for the input": (
        lambda tmp: text('{"pretrained_cfg": "tag"}', tmp / "hub" / "config.json").parent,
        WeightsError,
        "pretrained_cfg is 'tag', but must be a JSON dict",
    ),
    "another network": (
        lambda tmp: save(timm.create_model("resnet18").state_dict(), tmp / "e.pth"),
        WeightsError,
        r"e\.pth do not fit test_resnet: missing: conv1\.0\.weight, ",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_sentence(case: str, tmp_path: Path):
    make, kind, message = WRONG[case]
    given = make(tmp_path)
    with pytest.raises(kind, match=message) as error:
        pz.create_model(NAME, num_classes=2, encoder_weights=given)
    assert "\n" not in str(error.value)


def test_the_name_of_a_source(file: Path, donor: nn.Module):
    assert read_encoder(file, ARCH).where == str(file)
    state: dict[str, Tensor] = donor.state_dict()
    assert read_encoder(state, ARCH).state.keys() == state.keys()


def test_recipes_take_a_file(donor: nn.Module, file: Path):
    settings = ["model.architecture=pylon_test_resnet", "model.options.encoder_pretrained=false"]
    recipe = load_recipe("nih_cxr14_pylon_resnet50_256", [*settings, f"model.options.encoder_weights={file}"])
    model = model_for(recipe, open_split(load_recipe("digits_pylon", ["data.options.count=4"]), "val"))
    assert torch.equal(
        model.encoder.model.state_dict()["conv1.0.weight"], donor.conv1[0].weight.sum(dim=1, keepdim=True)
    )


def test_a_recipe_whose_file_is_missing_leaves_nothing(tmp_path: Path):
    settings = ["model.architecture=pylon_test_resnet", f"model.options.encoder_weights={tmp_path / 'none.pth'}"]
    with pytest.raises(
        WeightsError, match=r"^--set model.architecture, model.options.encoder_weights: .*none\.pth cannot be read"
    ):
        train(load_recipe("digits_pylon", settings), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_tag_with_a_file_downloads_nothing(tmp_path: Path, no_network: None):
    network = timm.create_model("resnet18")
    save_file(network.state_dict(), tmp_path / "resnet18.safetensors")
    recipe = load_recipe(
        "nih_cxr14_pylon_resnet50_256",
        ["model.architecture=pylon_resnet18", f"model.options.encoder_weights={tmp_path / 'resnet18.safetensors'}"],
    )
    model = build_on_encoder(recipe.model.architecture, 2, **recipe.model.options)
    assert recipe.model.options["encoder_pretrained"] == "tv_in1k"
    assert torch.equal(model.encoder.model.state_dict()["conv1.weight"], network.conv1.weight)
