"""`pylon-zoo train --data --model`: from a folder of images to a report, and from bad data to one sentence."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
import timm
import torch
from own_images import write_coco
from processes import command, start
from safetensors.torch import load_file
from systems import posix_only

from pylon_zoo.cli.main import main
from pylon_zoo.training.recipe_files import load_recipe

MODEL = "pylon_test_resnet"
QUICK = ["--model", MODEL, "--device", "cpu", "--size", "32", "--set", "schedule.max_epochs=2"]


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return write_coco(tmp_path_factory.mktemp("own") / "data", mixed=True)


@pytest.fixture(scope="module")
def run(images) -> Path:
    """A run on images of several sizes and modes."""
    out = images.parent / "run"
    assert main(["train", "--data", f"coco:{images}", *QUICK, "--out", str(out), "--quiet"]) == 0
    return out


def test_ten_lines_a_recipe_and_a_report(images, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", "--data", f"coco:{images}", *QUICK, "--orientation", "any", "--out", str(out)]) == 0
    printed = capsys.readouterr().out.splitlines()
    names = [line.split(" ")[0] for line in printed[:10]]
    assert names == [
        "data",
        "images",
        "classes",
        "device",
        "model",
        "input",
        "augmentation",
        "batch",
        "rates",
        "length",
    ]
    text = "\n".join(printed[:10])
    for words in ("24 training and 8 validation images", "bright 0.5", "dark 0.5", "32 × 32 px", "any, as asked for"):
        assert words in text
    assert "fresh" in printed[4]  # offline, its weights cannot be had
    assert printed[10].startswith("epoch 1/2")
    assert printed[-1] == f"Open {out}/report.html"
    assert (out / "recipe.toml").read_text(encoding="utf-8").splitlines()[:10] == [f"# {line}" for line in printed[:10]]
    recipe = load_recipe(out / "recipe.toml")
    assert recipe.notes == tuple(printed[:10])
    assert (recipe.data.augmentation, recipe.data.size, recipe.loop.batch_size) == ("any", 32, 4)
    assert (recipe.optimizer.name, recipe.optimizer.weight_decay, recipe.loop.clip_grad_norm) == ("adamw", 0.01, 1.0)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "any, as asked for" in page
    assert not re.search(r"(?:src|href)=\"(?!data:)|url\(|@import|https?:", page)


@pytest.mark.slow
def test_the_run_can_be_repeated_from_its_recipe(run, tmp_path):
    again = tmp_path / "again"
    assert main(["train", str(run / "recipe.toml"), "--device", "cpu", "--out", str(again), "--quiet"]) == 0
    first, second = (load_file(one / "checkpoint" / "model.safetensors") for one in (run, again))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_explain_takes_the_run_as_it_is(run, capsys):
    assert main(["explain", "--checkpoint", str(run)]) == 0
    entries = json.loads((run / "explained" / "results.json").read_text(encoding="utf-8"))["images"]
    assert len(entries) == 8
    assert all(Path(entry["path"]).is_file() for entry in entries)
    assert "Explained 8 of 8 images" in capsys.readouterr().out


@pytest.mark.slow
@posix_only
def test_a_stopped_run_goes_on_by_its_own_choices(images, tmp_path, capsys):
    """The clock of the second start must not choose anew, nor do its options: the run has chosen."""
    out = tmp_path / "run"
    arguments = ["train", "--data", f"coco:{images}", *QUICK, "--set", "loop.save_every=1", "--out", str(out)]
    process = start(command, arguments, str(tmp_path / "messages"))
    while not (out / "state.pt").is_file():
        assert process.is_alive(), (tmp_path / "messages").read_text(encoding="utf-8")
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert process.exitcode == 130, (tmp_path / "messages").read_text(encoding="utf-8")
    assert main([*arguments, "--resume"]) == 0
    assert "Trained" in capsys.readouterr().out
    assert json.loads((out / "log" / "summary.json").read_text(encoding="utf-8"))["epochs"] == 2
    assert "fresh" in (out / "report.html").read_text(encoding="utf-8")  # the choices have come along
    assert main([*arguments, "--resume", "--model", "pylon_resnet18"]) == 2
    assert "model.architecture" in capsys.readouterr().err


def broken(root: Path) -> Path:
    write_coco(root)
    (root / "train" / "7.png").write_bytes((root / "train" / "7.png").read_bytes()[:200])
    return root


def other_classes(root: Path) -> Path:
    write_coco(root)
    path = root / "val.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"bright"', '"bleak"'), encoding="utf-8")
    return root


@pytest.mark.slow
def test_an_encoder_from_a_file(images, tmp_path, capsys):
    torch.save({"state_dict": timm.create_model("test_resnet").state_dict()}, tmp_path / "mine.pth")
    option = ["--set", f"model.options.encoder_weights={tmp_path / 'mine.pth'}"]
    out = tmp_path / "run"
    assert main(["train", "--data", f"coco:{images}", *QUICK, *option, "--out", str(out)]) == 0
    assert f"encoder: weights as set: model.options.encoder_weights={tmp_path / 'mine.pth'}" in capsys.readouterr().out
    recipe = load_recipe(out / "recipe.toml")
    assert recipe.model.options["encoder_weights"] == str(tmp_path / "mine.pth")
    assert "encoder_pretrained" not in recipe.model.options
    assert recipe.optimizer.encoder_lr < recipe.optimizer.lr  # as of an encoder that knows something
    (tmp_path / "mine.pth").unlink()
    assert main(["explain", "--checkpoint", str(out), "--quiet"]) == 0  # the run has all it needs


def test_a_file_of_another_encoder_is_one_sentence_and_leaves_nothing(images, tmp_path, capsys):
    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "mine.pth")
    option = ["--set", f"model.options.encoder_weights={tmp_path / 'mine.pth'}"]
    assert main(["train", "--data", f"coco:{images}", *QUICK, *option, "--out", str(tmp_path / "run")]) != 0
    message = capsys.readouterr().err
    assert "--set model.options.encoder_weights: The weights in" in message
    assert message.count("\n") == 1
    assert not (tmp_path / "run").exists()


def absent_in_training(root: Path) -> Path:
    """Validation images have a class that no training image has, and no image of either has the first."""
    write_coco(root, classes=["parent", "bright", "odd"], shown=[(1,), ()])
    path = root / "val.json"
    path.write_text(
        path.read_text(encoding="utf-8").replace('"category_id": 1', '"category_id": 2', 1), encoding="utf-8"
    )
    return root


BAD = {
    "no labels": (lambda root: write_coco(root, shown=[()]), "has a label"),
    "one class only": (lambda root: write_coco(root, classes=["bright"], shown=[(0,)]), "nothing to tell it from"),
    "all classes always": (lambda root: write_coco(root, shown=[(0, 1)]), "nothing to tell them from"),
    "a class absent": (absent_in_training, "has 'odd', so it cannot be learnt"),
    "three images": (lambda root: write_coco(root, counts=(3, 1)), "has 3 images"),
    "three to validate": (lambda root: write_coco(root, counts=(24, 3)), "has 3 images"),
    "unreadable": (broken, "7.png"),
    "other classes": (other_classes, "bleak"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_one_sentence_and_leaves_nothing(tmp_path, capsys, case):
    write, message = BAD[case]
    data = write(tmp_path / "data")
    assert main(["train", "--data", f"coco:{data}", *QUICK, "--out", str(tmp_path / "run")]) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "coco:DATA", "--model", "pylon_resnet81"], "'resnet18'"),
        (["--data", "coco:DATA", "--model", "resnet18"], "'pylon_resnet18'"),
        (["--data", "coco:DATA", "--model", "pilon_resnet18"], "'pylon_resnet18'"),
        (["--data", "cocoa:DATA", "--model", MODEL], "'coco:DIR'"),
        (["--data", "coco:DATA", "--model", MODEL, "--set", "loop.sed=1"], "'seed'"),
        (["--data", "coco:DATA", "--model", MODEL, "--set", "data.augmentation=anny"], "'any'"),
        (["--data", "coco:DATA", "--model", MODEL, "--minutes", "0"], "above 0"),
        (["--data", "coco:DATA"], "--model NAME"),
        (["--model", MODEL], "--data NAME:DIR"),
        ([], "RECIPE"),
        (["phantom_cxr_pylon", "--model", MODEL], "--model is for runs without a recipe"),
        (["phantom_cxr_pylon", "--minutes", "3"], "--minutes is for runs without a recipe"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(images, tmp_path, capsys, arguments, message):
    given = [one.replace("DATA", str(images)) for one in arguments]
    assert main(["train", *given, "--device", "cpu", "--out", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_several_processes_do_not_choose_each_for_itself(images, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "2")
    assert main(["train", "--data", f"coco:{images}", *QUICK, "--out", str(tmp_path / "run")]) == 2
    assert "recipe.toml" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
