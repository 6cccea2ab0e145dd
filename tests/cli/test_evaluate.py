"""`pylon-zoo evaluate` from a checkpoint to its tables."""

from __future__ import annotations

import json
import re

import pytest

from pylon_zoo.cli.main import main
from pylon_zoo.data import drawn
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.metrics import FAITHFULNESS, LOCALIZATION
from pylon_zoo.metrics.faithfulness import forwards
from pylon_zoo.models.build import build_model
from pylon_zoo.weights.checkpoint import save_checkpoint


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """A small untrained model of the phantoms' classes, and few phantoms to judge it on."""
    monkeypatch.setitem(drawn.COUNTS, "test", 12)
    model = build_model("pylon_test_resnet", len(PhantomCxr.classes), 1, label_names=PhantomCxr.classes)
    model.pretrained_cfg["input_size"] = (1, 64, 64)
    return save_checkpoint(model, tmp_path / "checkpoint")


def test_a_checkpoint_is_evaluated(checkpoint, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["evaluate", "--data", "phantom", "--checkpoint", str(checkpoint), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "12 images" in printed
    assert "64×64 px" in printed
    assert all(name in printed for name in (*PhantomCxr.classes, "macro", "weighted"))
    content = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert (content["model"], content["dataset"], content["split"]) == (str(checkpoint), "phantom_cxr", "test")
    assert (
        (out / "metrics.csv")
        .read_text(encoding="utf-8")
        .startswith("class,images,positives,auroc,boxed_images,point_accuracy,auprc,")
    )
    assert content["bootstrap"] == 1000
    assert (out / "metrics.tex").read_text(encoding="utf-8").count("\\\\") == len(PhantomCxr.classes) + 3
    assert "operating_point" not in content


def test_options_of_the_dataset(checkpoint, tmp_path, capsys):
    arguments = ["evaluate", "--data", "phantom", "--checkpoint", str(checkpoint), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--data-option", "count=5", "--bootstrap", "0"]) == 0
    assert "5 images" in capsys.readouterr().out
    assert main([*arguments, "--data-option", "cuont=5"]) == 2
    assert "Did you mean 'count'" in capsys.readouterr().err


@pytest.mark.slow
def test_thresholds_come_from_another_split_and_say_so(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(drawn.COUNTS, "val", 16)
    arguments = ["evaluate", "--data", "phantom", "--checkpoint", str(checkpoint), "--bootstrap", "0"]
    for split, in_sample in (("val", False), ("test", True)):
        assert main([*arguments, "--thresholds-from", split, "--out", str(tmp_path / split)]) == 0
        content = json.loads((tmp_path / split / "metrics.json").read_text(encoding="utf-8"))
        point, errors = content["operating_point"], content["calibration"]
        assert errors["fitted_on"] == split
        assert all(0 <= errors[name] <= 1 for name in ("as_predicted", "temperature", "platt"))
        assert (point["fitted_on"], point["applied_to"], point["in_sample"]) == (split, "test", in_sample)
        assert ("flatter" in capsys.readouterr().err) is in_sample
    assert main([*arguments, "--thresholds-from", "tset", "--out", str(tmp_path / "no")]) == 2
    assert "'test'" in capsys.readouterr().err


def test_quiet_prints_nothing_and_size_is_an_option(checkpoint, tmp_path, capsys):
    arguments = ["--checkpoint", str(checkpoint), "--out", str(tmp_path / "out"), "--size", "32", "--quiet"]
    assert main(["evaluate", "--data", "phantom", *arguments]) == 0
    assert capsys.readouterr().out == ""
    assert json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))["input_size"] == [32, 32]


def test_other_metrics_are_run_where_they_are_named(checkpoint, tmp_path, capsys):
    arguments = ["evaluate", "--data", "phantom", "--checkpoint", str(checkpoint), "--bootstrap", "0"]
    assert main([*arguments, "--out", str(tmp_path / "one"), "--metrics", "energy, pointing_game"]) == 0
    row = json.loads((tmp_path / "one" / "metrics.json").read_text(encoding="utf-8"))["macro"]
    assert {"energy", "energy_oracle", "pointing_game", "point_accuracy"} <= set(row)
    assert row["energy_oracle"] == 1
    assert "energy" in capsys.readouterr().out
    assert main([*arguments, "--out", str(tmp_path / "two")]) == 0
    assert "energy" not in json.loads((tmp_path / "two" / "metrics.json").read_text(encoding="utf-8"))["macro"]
    assert main([*arguments, "--out", str(tmp_path / "three"), "--metrics", "energie"]) == 2
    assert "Did you mean 'energy'" in capsys.readouterr().err


@pytest.mark.slow
def test_metrics_that_ask_again_are_run_where_they_are_named_and_their_price_is_said(checkpoint, tmp_path, capsys):
    arguments = ["evaluate", "--data", "phantom", "--checkpoint", str(checkpoint), "--size", "32", "--bootstrap", "20"]
    words = ["--metrics", "deletion,iou", "--pairs-per-class", "1", "--out", str(tmp_path / "one")]
    assert main([*arguments, *words]) == 0
    captured = capsys.readouterr()
    assert re.search(r"(\d) pairs of an image and a class will take up to [\d,]+ forward passes", captured.err)
    content = json.loads((tmp_path / "one" / "metrics.json").read_text(encoding="utf-8"))
    assert content["faithfulness"]["deletion"]["pairs_per_class"] == 1
    assert content["thresholds"]["source"] == "default"
    wanted = {"deletion", "deletion_low", "iou_high", "iou_random", "auprc_low", "offset_down_low", "same_place_high"}
    assert wanted <= set(content["macro"])
    assert main([*arguments, "--metrics", "all,deletoin", "--out", str(tmp_path / "two")]) == 2
    assert "Did you mean 'deletion'" in capsys.readouterr().err


def test_all_means_what_one_pass_can_give(checkpoint, tmp_path):
    arguments = ["evaluate", "--data", "phantom", "--checkpoint", str(checkpoint), "--size", "32", "--bootstrap", "0"]
    assert main([*arguments, "--data-option", "count=4", "--metrics", "all", "--out", str(tmp_path / "out")]) == 0
    macro = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))["macro"]
    assert set(LOCALIZATION) <= set(macro)
    assert not set(FAITHFULNESS) & set(macro)


def test_the_help_names_every_metric_and_its_price(capsys):
    assert main(["evaluate", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    spelt = said.replace("overlap_10/25/50", "overlap_10 overlap_25 overlap_50")
    assert [name for name in LOCALIZATION if name != "point_accuracy" and name not in spelt] == []
    assert [name for name in FAITHFULNESS if f"{name} ({forwards(name)})" not in said] == []


def test_thresholds_of_another_split_serve_the_metrics_that_go_by_them(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(drawn.COUNTS, "val", 16)
    arguments = [
        "evaluate",
        "--data",
        "phantom",
        "--checkpoint",
        str(checkpoint),
        "--bootstrap",
        "0",
        "--metrics",
        "iou",
    ]
    assert main([*arguments, "--thresholds-from", "val", "--out", str(tmp_path / "out")]) == 0
    content = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    used, fitted = content["thresholds"], content["operating_point"]["thresholds"]
    assert used["source"] == "fitted"
    for name, value in used["values"].items():
        assert value == pytest.approx(0.5 if fitted[name] is None else fitted[name])


def test_a_method_is_evaluated(checkpoint, tmp_path):
    out = tmp_path / "out"
    arguments = ["--checkpoint", str(checkpoint), "--out", str(out), "--method", "hires_cam"]
    assert main(["evaluate", "--data", "phantom", *arguments]) == 0
    assert json.loads((out / "metrics.json").read_text(encoding="utf-8"))["model"] == f"{checkpoint}, hires_cam"


@pytest.mark.parametrize(
    ("data", "split", "code", "message"),
    [
        ("phantm", "test", 2, "'phantom'"),
        ("phantom", "tset", 2, "'test'"),
        ("nih-cxr14:/nowhere", "test", 1, "/nowhere"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(checkpoint, tmp_path, capsys, data, split, code, message):
    out = tmp_path / "out"
    arguments = ["--data", data, "--split", split, "--checkpoint", str(checkpoint), "--out", str(out)]
    assert main(["evaluate", *arguments]) == code
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_model_with_other_classes_is_refused_before_anything_is_written(tmp_path, capsys):
    checkpoint = save_checkpoint(build_model("pylon_test_resnet", 2, 1), tmp_path / "checkpoint")
    out = tmp_path / "out"
    assert main(["evaluate", "--data", "phantom", "--checkpoint", str(checkpoint), "--out", str(out)]) == 2
    assert "no name in common" in capsys.readouterr().err
    assert not out.exists()


def test_an_output_that_cannot_be_is_refused_before_the_work(checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pylon_zoo.evaluation.evaluate", pytest.fail)
    (tmp_path / "file").write_text("", encoding="utf-8")
    out = str(tmp_path / "file" / "out")
    assert main(["evaluate", "--data", "phantom", "--checkpoint", str(checkpoint), "--out", out]) == 2
    assert "is a file" in capsys.readouterr().err


def test_views_are_averaged_and_said(checkpoint, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["--bootstrap", "0", "--views", "mirror", "--out", str(out)]
    assert main(["evaluate", "--data", "phantom", "--checkpoint", str(checkpoint), *words]) == 0
    assert "mean with the mirror image" in capsys.readouterr().out
    assert json.loads((out / "metrics.json").read_text(encoding="utf-8"))["views"] == "mirror"
    assert "mean with the mirror image" in (out / "report.html").read_text(encoding="utf-8")
