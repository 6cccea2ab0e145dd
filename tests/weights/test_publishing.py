"""Publishing to a Hub on the loopback interface, and loading what was published."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from loopback_hub import LoopbackHub
from safetensors.torch import load

import pylon_zoo as pz
from pylon_zoo.cli.main import main
from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.weights import manifest
from pylon_zoo.weights.checkpoint import load_checkpoint, save_checkpoint
from pylon_zoo.weights.integrity import record_of
from pylon_zoo.weights.publishing import prepare, publish, tag_of

REPO, NAME = "org/chest-xray", "pylon_test_resnet.chest_xray"
FILES = {"model.safetensors", "config.json", "README.md", "golden.safetensors"}
ROOT = Path(pz.__file__).resolve().parents[1]


@pytest.fixture
def model(make_model: Callable[..., HeatmapClassifier]) -> HeatmapClassifier:
    model = make_model(num_classes=2, in_chans=1, label_names=("mass", "nodule"), decoder_channels=8)
    model.set_thresholds([0.25, 0.75])
    return model


@pytest.fixture
def run(model: HeatmapClassifier, tmp_path: Path) -> Path:
    """A training run's folder."""
    save_checkpoint(
        model, tmp_path / "run" / "checkpoint", training={"dataset": "phantom_cxr", "epoch": 3, "auroc": 0.75}
    )
    (tmp_path / "run" / "recipe.toml").write_text('description = "PYLON on phantoms"\n', encoding="utf-8")
    return tmp_path / "run"


@pytest.fixture
def evaluation(run: Path, tmp_path: Path) -> Path:
    row = {"images": 40, "positives": 20, "auroc": 0.875, "boxed_images": 20, "point_accuracy": 0.5}
    metrics = {
        "model": str(run),
        "dataset": "phantom_cxr",
        "split": "test",
        "images": 40,
        "input_size": [160, 160],
        "classes": [{"class": "mass", **row}, {"class": "nodule", **row, "point_accuracy": None}],
        "macro": {"auroc": 0.875, "point_accuracy": 0.5},
        "weighted": {"auroc": 0.875, "point_accuracy": 0.5},
        "seconds": 1.5,
    }
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return tmp_path / "figures"


def published(hub: LoopbackHub) -> dict[str, bytes]:
    return dict(hub.repos[REPO].commits[-1].files)


# -- there and back ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_round_trip_by_address_by_name_and_in_a_fresh_process(
    run: Path, model: HeatmapClassifier, hub: LoopbackHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "weights.json"
    assert main(["weights", "publish", str(run), "--repo", REPO, "--manifest", str(file)]) == 0
    entry = json.loads(capsys.readouterr().out.partition("\nPublished")[0])
    assert json.loads(file.read_text(encoding="utf-8"))["weights"] == entry
    assert set(published(hub)) == FILES
    pz.register_weights(entry)
    images = torch.randn(1, 1, 96, 64)
    expected = model(images)
    for again in (pz.create_model("pylon_test_resnet", f"hf-hub:{REPO}"), pz.create_model(NAME)):
        assert torch.equal(again(images), expected)
        assert (again.label_names, again.thresholds) == (("mass", "nodule"), (0.25, 0.75))
        assert again.pretrained_cfg == {**model.pretrained_cfg, "hf_hub_filename": "model.safetensors"}
    assert NAME in pz.list_pretrained()
    code = (
        "import sys, torch, pylon_zoo as pz; images = torch.load(sys.argv[1]); torch.save([pz.create_model(*name)"
        f"(images) for name in (['{NAME}'], ['pylon_test_resnet', 'hf-hub:{REPO}'])], sys.argv[2])"
    )
    torch.save(images, tmp_path / "images.pt")
    environment = {
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path / "home"),
        "OMP_NUM_THREADS": str(torch.get_num_threads()),  # sums in another order differ in the last bit
        manifest.MANIFEST_VARIABLE: str(file),
    }
    outputs = tmp_path / "outputs.pt"
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "images.pt", outputs], env=os.environ | environment, check=True
    )
    assert all(torch.equal(logits, expected) for logits in torch.load(outputs))


def test_publishing_again_uploads_nothing(run: Path, hub: LoopbackHub, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["weights", "publish", str(run), "--repo", REPO]
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out.partition("\nPublished")[0])
    uploads = hub.count("PUT"), hub.count("POST", "/commit/")
    assert uploads == (2, 1)
    assert main(command) == 0
    second = json.loads(capsys.readouterr().out.partition("\nNothing new to upload")[0])
    assert second == first
    assert (hub.count("PUT"), hub.count("POST", "/commit/")) == uploads


def test_what_changed_is_a_new_commit(run: Path, model: HeatmapClassifier, hub: LoopbackHub) -> None:
    first = publish(prepare(run, REPO))[0]
    model.set_labels(("Mass", "Nodule"))
    save_checkpoint(model, run / "checkpoint")
    second, _, new = publish(prepare(run, REPO))
    assert new
    assert second.revision != first.revision
    assert second.files["model.safetensors"] == first.files["model.safetensors"]
    assert hub.count("PUT") == 2  # the large files were there already
    for entry, label in ((first, "mass"), (second, "Mass")):
        assert pz.create_model("pylon_test_resnet", f"hf-hub:{REPO}@{entry.revision}").label_names[0] == label


def test_private_repositories_need_the_token(run: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["weights", "publish", str(run), "--repo", REPO, "--private"]) == 0
    assert hub.repos[REPO].private
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(WeightsError, match="no such repository, or it is private"):
        pz.create_model("pylon_test_resnet", f"hf-hub:{REPO}")


# -- what is uploaded --------------------------------------------------------------------------------------------------


def test_the_files_are_the_runs_own(run: Path, model: HeatmapClassifier, hub: LoopbackHub) -> None:
    entry, values, _ = publish(prepare(run, REPO))
    files = published(hub)
    assert files["model.safetensors"] == (run / "checkpoint" / "model.safetensors").read_bytes()
    config = json.loads(files["config.json"])
    assert config.pop("sha256") == record_of(files["model.safetensors"]).sha256
    assert config["pretrained_cfg"].pop("hf_hub_filename") == "model.safetensors"  # or timm falls back to pickles
    assert config == json.loads((run / "checkpoint" / "config.json").read_text(encoding="utf-8"))
    golden = load(files["golden.safetensors"])
    with torch.inference_mode():
        logits, heatmap = load_checkpoint(run).forward_with_heatmap(golden["input"])
    assert torch.equal(golden["logits"], logits)
    assert torch.equal(golden["heatmap"], heatmap)
    assert {name: record_of(files[name]) for name in FILES - {"README.md"}} == entry.files
    assert (entry.training_data, entry.recipe) == (
        "phantom_cxr, split train",
        "recipe.toml of the run (PYLON on phantoms)",
    )
    assert (entry.weights_licence, entry.split_hash, entry.metrics) == ("not stated", "not stated", {})
    assert manifest.parse_entry(NAME, values, "here") == entry


def test_the_description_is_timms(run: Path, hub: LoopbackHub) -> None:
    from timm.models._hub import load_model_config_from_hf
    from timm.models._pretrained import PretrainedCfg

    publish(prepare(run, REPO))
    cfg, architecture, args = load_model_config_from_hf(REPO)
    assert architecture == "pylon_test_resnet"
    assert args == {"in_chans": 1, "decoder_channels": 8, "alignment": "exact"}
    built = PretrainedCfg(**{key: value for key, value in cfg.items() if key != "hf_hub_id"})
    assert (built.num_classes, tuple(built.input_size)) == (2, (1, 160, 160))
    config = json.loads(published(hub)["config.json"])
    assert config["pretrained_cfg"].keys() <= PretrainedCfg.__dataclass_fields__.keys()
    assert isinstance(config["num_features"], int)


def test_metrics_stand_in_the_entry_and_in_the_card(run: Path, evaluation: Path, hub: LoopbackHub) -> None:
    command = ["--evaluation", str(evaluation), "--command", "pylon-zoo evaluate …", "--licence", "Apache-2.0"]
    facts = ["--training-data", "phantoms 0–99", "--split-hash", "a" * 64, "--recipe", "phantom_cxr_pylon"]
    assert main(["weights", "publish", str(run), "--repo", REPO, "--tag", "mine", *command, *facts]) == 0
    card = published(hub)["README.md"].decode()
    for text in ("| mass | 40 | 20 | 0.875 | 20 | 0.500 |", "| nodule | 40 | 20 | 0.875 | 20 | – |", "aaaaaaaa"):
        assert text in card
    assert "pylon-zoo evaluate …" in card
    assert "not stated" not in card.lower()


def test_metrics_of_other_weights_are_refused(run: Path, evaluation: Path, tmp_path: Path) -> None:
    other = save_checkpoint(load_checkpoint(run), tmp_path / "other")
    with pytest.raises(ConfigError, match=r"metrics\.json is of .*/run, not of .*/other"):
        prepare(other, REPO, evaluation=evaluation, command="c")
    with pytest.raises(ConfigError, match="Give --command"):
        prepare(run, REPO, evaluation=evaluation)


@pytest.mark.usefixtures("no_network")
def test_a_dry_run_shows_the_card_and_the_files_and_sends_nothing(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "publish", str(run), "--repo", REPO, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert f"# {NAME}" in shown
    assert "nothing was sent" in shown
    assert all(re.search(rf"[\d,]+ bytes  {re.escape(name)}", shown) for name in FILES)


# -- what cannot be published ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("repo", ["name", "org/../x", "org/a b", "a/b/c"])
@pytest.mark.usefixtures("no_network")
def test_a_name_that_is_no_repository(repo: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "publish", str(run), "--repo", repo]) == 2
    assert "no address on the Hub" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "end"), [("{}", "has the format None"), ('{"format": 1, "weights": 3}', "must be an object")]
)
@pytest.mark.usefixtures("no_network")
def test_a_manifest_that_is_none_is_found_before_the_upload(
    content: str, end: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "weights.json").write_text(content, encoding="utf-8")
    for file, message in (("weights.json", end), ("gone/weights.json", "its folder is not there")):
        assert main(["weights", "publish", str(run), "--repo", REPO, "--manifest", str(tmp_path / file)]) == 1
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "path", "end"),
    [
        ("401", "/create", "the server answered 401. Check your token"),
        ("403", "/create", "the server answered 403. Check your token"),
        ("500", "/commit/main", "the server answered 500"),
        ("503", "/batch", "the server answered 503"),
    ],
)
def test_a_hub_that_refuses(fault: str, path: str, end: str, run: Path, hub: LoopbackHub) -> None:
    hub.fail(fault, file=path, methods=("POST",))
    with pytest.raises(WeightsError, match=rf"{NAME} cannot be published to {REPO}: .*{end}"):
        publish(prepare(run, REPO))
    assert not hub.repos or not hub.repos[REPO].commits


def test_a_large_file_that_does_not_arrive(run: Path, hub: LoopbackHub) -> None:
    hub.fail("500", file="", methods=("PUT",))
    with pytest.raises(WeightsError, match=f"{NAME} cannot be published to {REPO}"):
        publish(prepare(run, REPO))
    assert not hub.repos[REPO].commits


def test_nobody_is_logged_in(run: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(WeightsError, match="hf auth login"):
        publish(prepare(run, REPO))


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds no config\.json"):
        prepare(tmp_path, REPO)


def test_an_entry_goes_to_the_top_of_a_manifest_and_the_others_stay(
    run: Path, hub: LoopbackHub, tmp_path: Path, entry_values: dict[str, object]
) -> None:
    file = tmp_path / "weights.json"
    older = {"pylon_a.b": entry_values, NAME: entry_values}
    file.write_text(json.dumps({"$schema": "x", "format": 1, "weights": older}), encoding="utf-8")
    assert main(["weights", "publish", str(run), "--repo", REPO, "--manifest", str(file)]) == 0
    content = json.loads(file.read_text(encoding="utf-8"))
    assert list(content["weights"]) == [NAME, "pylon_a.b"]
    assert content["weights"][NAME]["source"] == "hub"
    assert content["$schema"] == "x"


@pytest.mark.parametrize(
    ("repo", "tag"),
    [
        ("org/pylon_resnet50.nih_cxr14", "nih_cxr14"),
        ("org/pylon_resnet50-nih-cxr14", "nih_cxr14"),
        ("org/Chest.X-ray", "chest_x_ray"),
    ],
)
def test_a_tag_from_the_repositorys_name(repo: str, tag: str) -> None:
    assert tag_of(repo, "pylon_resnet50") == tag


def test_a_repositorys_name_that_gives_no_tag() -> None:
    with pytest.raises(ConfigError, match="Give --tag"):
        tag_of("org/pylon_resnet50", "pylon_resnet50")
