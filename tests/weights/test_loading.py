from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pylon_zoo.errors import ConfigError, UnknownNameError, WeightsError
from pylon_zoo.factory import create_model, list_pretrained
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.weights import manifest
from pylon_zoo.weights.bundling import bundle_checkpoint
from pylon_zoo.weights.checkpoint import save_checkpoint
from pylon_zoo.weights.file_names import CONFIG_FILE, WEIGHTS_FILE
from pylon_zoo.weights.loading import load_pretrained

MakeModel = Callable[..., HeatmapClassifier]
NAME = "pylon_test_resnet"


@pytest.fixture
def bundled(source_tree: Path, make_model: MakeModel, tmp_path: Path) -> Path:
    """The folder of bundled weights `pylon_test_resnet.nih_cxr14`, which make heatmaps of "mass" and "nodule"."""
    run = save_checkpoint(make_model(NAME, 2, in_chans=1, label_names=("mass", "nodule")), tmp_path / "run")
    entry = bundle_checkpoint(run, f"{NAME}.nih_cxr14", aliases=["nih"])
    return manifest.ROOM / entry.path


@pytest.mark.parametrize("which", [True, "nih_cxr14", "nih-cxr14", "nih"])
@pytest.mark.usefixtures("bundled", "no_network")
def test_bundled_weights_load_by_tag_offline(which: str | bool) -> None:
    model = load_pretrained(NAME, which)
    assert model.label_names == ("mass", "nodule")
    assert not model.training


@pytest.mark.usefixtures("bundled", "no_network")
def test_the_factory_gives_the_same_model_by_every_name() -> None:
    images = torch.randn(1, 1, 64, 64)
    models = [create_model(f"{NAME}.nih-cxr14"), create_model(NAME, pretrained="nih-cxr14"), create_model(NAME, True)]
    with torch.inference_mode():
        first, *others = (model(images) for model in models)
    assert all(torch.equal(first, other) for other in others)
    assert list_pretrained() == [f"{NAME}.nih_cxr14"]


@pytest.mark.parametrize("name", [WEIGHTS_FILE, CONFIG_FILE])
def test_a_bundled_file_that_changed_is_refused_with_both_hashes(name: str, bundled: Path) -> None:
    path = bundled / name
    content = bytearray(path.read_bytes())
    content[-2] ^= 1  # of the same length, and still safetensors
    path.write_bytes(content)
    expected = manifest.load_manifest()[f"{NAME}.nih_cxr14"].files[name].sha256
    with pytest.raises(WeightsError, match=f"{name} is not the file that was published: sha256 expected {expected}"):
        load_pretrained(NAME, "nih_cxr14")


def test_the_check_is_made_on_every_load(bundled: Path) -> None:
    load_pretrained(NAME)
    (bundled / WEIGHTS_FILE).write_bytes(b"other")
    with pytest.raises(WeightsError, match="not the file that was published"):
        load_pretrained(NAME)


# -- folders -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(make_model: MakeModel, tmp_path: Path, source_tree: Path) -> Path:
    return save_checkpoint(make_model(NAME, 4), tmp_path / "model")


@pytest.mark.parametrize("spell", [str, Path, lambda path: f"local-dir:{path}"], ids=["str", "Path", "local-dir"])
@pytest.mark.usefixtures("no_network")
def test_a_folder_is_taken_however_it_is_given(spell: Callable[[Path], object], folder: Path) -> None:
    assert load_pretrained(NAME, spell(folder)).num_classes == 4


def test_a_bare_folder_name_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert load_pretrained(NAME, "model").num_classes == 4


@pytest.mark.usefixtures("bundled")
def test_a_folder_with_the_name_of_a_tag_is_not_taken_for_it(
    make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(make_model(NAME, 4), tmp_path / "nih-cxr14")
    monkeypatch.chdir(tmp_path)
    assert load_pretrained(NAME, "nih-cxr14").num_classes == 2
    assert load_pretrained(NAME, "./nih-cxr14").num_classes == 4


def test_a_path_that_is_not_there_is_a_path_and_no_tag(tmp_path: Path, source_tree: Path) -> None:
    with pytest.raises(WeightsError, match="gone is no folder"):
        load_pretrained(NAME, str(tmp_path / "gone"))


def test_a_folder_of_another_architecture_names_both(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"'cam_test_resnet' was asked for, but .* holds 'pylon_test_resnet'"):
        load_pretrained("cam_test_resnet", folder)


def test_bundled_weights_of_another_architecture_are_refused(bundled: Path) -> None:
    top = manifest.manifest_path()
    top.write_text(
        top.read_text(encoding="utf-8").replace('pylon_test_resnet.nih_cxr14": {', 'cam_test_resnet.nih_cxr14": {'),
        encoding="utf-8",
    )
    manifest.read_once.cache_clear()
    with pytest.raises(ConfigError, match=r"'cam_test_resnet' was asked for, but .* holds 'pylon_test_resnet'"):
        load_pretrained("cam_test_resnet", True)


# -- overrides ---------------------------------------------------------------------------------------------------------


def test_img_size_and_encoder_kwargs_may_differ(folder: Path) -> None:
    model = load_pretrained(NAME, folder, img_size=96, encoder_kwargs={"drop_path_rate": 0.1})
    assert model.pretrained_cfg["input_size"] == (3, 96, 96)
    assert model.model_args["encoder_kwargs"] == {"drop_path_rate": 0.1}


def test_other_options_are_refused_by_name(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"pooling, norm cannot be chosen.*alignment, encoder_kwargs, img_size"):
        load_pretrained(NAME, folder, pooling="avg", img_size=64, norm="group")


# -- what cannot be had ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_network")
def test_planned_weights_say_how_to_get_some(
    write_manifest: Callable[[dict[str, object]], None], entry_values: dict[str, object]
) -> None:
    planned = {**entry_values, "recipe": "a_recipe", "authors_file": "theirs.pkl"}
    write_manifest({f"{NAME}.soon": planned, f"{NAME}.later": {**entry_values, "recipe": "no recipe ships yet"}})
    assert list_pretrained() == []
    with pytest.raises(WeightsError, match=rf"{NAME}\.soon are not published yet: ") as error:
        load_pretrained(NAME, True)
    train, import_, elsewhere = str(error.value).split(". ")
    assert "`pylon-zoo train a_recipe --data NAME:DIR --out RUN` makes them, and pretrained='RUN' loads them" in train
    assert "https://drive.google.com/" in import_
    assert "import-official FILE --member 'theirs.pkl'" in import_
    assert all(word in elsewhere for word in ("hf-hub:org/name", "PYLON_ZOO_MANIFEST", "register_weights"))
    with pytest.raises(WeightsError, match=r"no recipe ships yet; `pylon-zoo recipes list`") as error:
        load_pretrained(NAME, "later")
    assert "import-official" not in str(error.value)  # the authors have not released them


@pytest.mark.parametrize(
    ("tag", "recipe", "does"),
    [
        ("nih-cxr14", "nih_cxr14_pylon_resnet50_256", "gets the data"),
        ("vindr-cxr", "vindr_cxr_pylon_resnet50_256", "says how to get the data"),
        ("voc", "pascal_voc_pylon_resnet50_256", "gets the data"),
    ],
)
@pytest.mark.usefixtures("no_network")
def test_promised_weights_say_which_command_makes_them(tag: str, recipe: str, does: str) -> None:
    first = (
        rf"are not published yet: `pylon-zoo train {recipe} --data {tag}:DIR --out RUN` makes them "
        rf"\(`pylon-zoo data download {tag} DIR` {does}\), and pretrained='RUN' loads them\."
    )
    for name, pretrained in (("pylon_resnet50", tag), (f"pylon_resnet50.{tag}", None)):
        with pytest.raises(WeightsError, match=first):
            create_model(name, pretrained=pretrained)


@pytest.mark.parametrize(
    ("architecture", "which", "message"),
    [
        ("pylon_test_resnte", True, "Unknown backbone 'test_resnte'.*test_resnet"),
        ("pilon_test_resnet", True, "Unknown model 'pilon_test_resnet'"),
        (NAME, "nih_cxr15", "no weights 'nih_cxr15'.*Did you mean 'nih_cxr14'"),
        ("pylon_test_vit", True, f"no weights for 'pylon_test_vit'.*{NAME}.nih_cxr14"),
    ],
)
@pytest.mark.usefixtures("bundled")
def test_unknown_names_say_what_there_is(architecture: str, which: str | bool, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        load_pretrained(architecture, which)


def test_what_is_no_tag_and_no_path_is_refused() -> None:
    with pytest.raises(ConfigError, match="pretrained=3 is not valid"):
        load_pretrained(NAME, 3)


def test_nothing_random_is_returned_for_a_folder_without_weights(folder: Path) -> None:
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    assert config["architecture"] == NAME
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(WeightsError, match=WEIGHTS_FILE):
        load_pretrained(NAME, folder)
