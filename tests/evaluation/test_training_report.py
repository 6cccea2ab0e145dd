"""The page of a run: whole, self-contained, escaped, with the pictures that it promises."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from PIL import Image

from pylon_zoo.errors import ConfigError
from pylon_zoo.evaluation import evaluate
from pylon_zoo.evaluation.curves import curves, ticks_between
from pylon_zoo.evaluation.evaluate import prepared
from pylon_zoo.evaluation.gallery import Shown
from pylon_zoo.evaluation.training_report import pictures, report_html, report_run
from pylon_zoo.models.build import build_model
from pylon_zoo.training.loop import Epoch
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.run_folder import RunFolder
from pylon_zoo.training.train import train
from pylon_zoo.training.validation import Validation

SUMMARY = {
    "train_images": 3200, "val_images": 8, "epochs": 3, "best_epoch": 2, "seconds": 90.0, "device": "cpu",
    "parameters": 11_000_000,
}  # fmt: skip


@pytest.fixture
def finished(tmp_path) -> RunFolder:
    """A run of three epochs, the second of which is the best and the third of which was not evaluated."""
    recipe = Recipe(notes=("data         mine & <b>yours</b>", "length       3 epochs"))
    run = RunFolder.create(tmp_path / "run", recipe)
    seen = [Validation(0.6, 0.7, 0.25), Validation(0.5, 0.8, 0.5), None]
    run.write_metrics([Epoch(n, 1e-3, 1 / n, 9.0, 9.0, one, n == 2) for n, one in enumerate(seen, 1)])
    run.finish(SUMMARY)
    return run


class Unboxed:
    """Any dataset of the tests without the boxes."""

    def __new__(cls, dataset):
        load = dataset.load

        def without(index):
            sample = load(index)
            return type(sample)(sample.image, sample.target, sample.boxes[:0], sample.patient, sample.path)

        dataset.load = without
        return dataset


def page(run, model, dataset) -> str:
    evaluation = evaluate(model, dataset, bootstrap=20)
    return report_html(run, evaluation, pictures(model, prepared(model, dataset, None), evaluation))


def test_a_page_needs_nothing_else_and_says_what_the_run_says(finished, cards, oracle):
    html = page(finished, oracle, cards())
    assert not re.search(r"(?:src|href)=\"(?!data:)|url\(|@import|https?:|<script", html)
    for text in ("3,200 training, 8 validation", "3, the best is 2", "1.5 minutes on cpu", "11 million", "length"):
        assert text in html
    assert "mine &amp; &lt;b&gt;yours&lt;/b&gt;" in html
    assert "<b>yours" not in html
    for svg in re.findall(r"<svg.*?</svg>", html):
        ElementTree.fromstring(svg)
    assert html.count("<svg") == 6  # loss, validation, AUROC, point accuracy, by area, offsets
    assert "best epoch, 2" in html


def test_best_and_worst_maps_are_shown_and_none_drawn_by_lot(cards, oracle):
    dataset = cards()
    shown = list(pictures(oracle, prepared(oracle, dataset, None), evaluate(oracle, dataset)))
    assert {one.kind for one in shown} == {"best", "worst"}
    assert {one.label for one in shown} == {0, 1}  # of lower and upper; nobody has the third
    assert all(one.hit for one in shown)


def test_without_boxes_the_surest_and_the_least_sure_are_shown(finished, cards, oracle):
    dataset = Unboxed(cards())
    dataset.transform = None
    evaluation = evaluate(oracle, dataset)
    shown = list(pictures(oracle, prepared(oracle, dataset, None), evaluation))
    upper = [one for one in shown if evaluation.classes[one.label] == "upper"]
    assert [one.kind for one in upper] == ["best", "best", "worst", "worst"]
    assert min(one.probability for one in upper[:2]) >= max(one.probability for one in upper[2:])
    html = report_html(finished, evaluation, shown)
    assert "Surest of the images that have it" in html
    assert "nobody has marked" in html
    assert not re.search(r'class="(hit|miss)"', html)
    assert "point accuracy, mean" not in html


def test_names_from_files_are_escaped(finished, cards, oracle):
    evaluation = evaluate(oracle, cards())
    evil = Shown("best", 0, 0, True, 0.5, '"><script>alert(1)</script>.png', Image.new("RGB", (8, 8)))
    html = report_html(finished, evaluation, [evil])
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_model_without_heatmaps_has_a_page(finished, cards):
    model = build_model("pylon_test_resnet", 3, 1, head_mlp_layers=2, label_names=cards.classes)
    model.pretrained_cfg["input_size"] = (1, 32, 32)
    html = page(finished, model, cards())
    assert "data:image" not in html
    assert "AUROC, mean" in html


@pytest.mark.slow
def test_a_run_is_reported_into_its_folder(tmp_path, make_tiny_recipe):
    train(make_tiny_recipe, tmp_path / "run", device="cpu")
    path = report_run(tmp_path / "run", device="cpu")
    assert path == tmp_path / "run" / "report.html"
    summary = json.loads((tmp_path / "run" / "log" / "summary.json").read_text(encoding="utf-8"))
    assert f"<b>{summary['val_auroc']:.3f}</b>" in path.read_text(encoding="utf-8")  # the run's own figure, found again
    with (tmp_path / "run" / "metrics.csv").open(newline="", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    assert f"training, epoch 2: {float(last['train_loss']):.4g}" in path.read_text(encoding="utf-8")
    train(make_tiny_recipe, tmp_path / "run", device="cpu", overwrite=True)
    assert not path.exists()  # it was of the run before


@pytest.fixture
def make_tiny_recipe():
    from pylon_zoo.training.recipe_files import recipe_from_table
    from pylon_zoo.training.sections import Origin

    table = {
        "model": {"architecture": "pylon_test_resnet"},
        "data": {"name": "phantom", "size": 32, "augmentation": "none", "options": {"count": 16}},
        "schedule": {"name": "cosine", "max_epochs": 2},
        "loop": {"batch_size": 8},
    }
    return recipe_from_table(table, Origin("tiny.toml"))


def test_an_unfinished_run_has_no_page(tmp_path):
    RunFolder.create(tmp_path / "run", Recipe())
    for folder in ("run", "nothing"):
        with pytest.raises(ConfigError, match="no finished run"):
            report_run(tmp_path / folder)
    assert not Path(tmp_path / "nothing").exists()


def test_curves_leave_out_what_was_not_measured():
    svg = curves({"a <b>": [0.2, math.nan, 0.4], "c": [math.nan] * 3}, best=3)
    ElementTree.fromstring(svg)
    assert svg.count("<circle") == 2
    assert svg.count("<path") == 1
    assert "a &lt;b&gt;, epoch 3: 0.4" in svg
    ElementTree.fromstring(curves({}))
    ElementTree.fromstring(curves({"one": [0.5]}, best=1))
    ElementTree.fromstring(curves({"flat": [0.5, 0.5]}))


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.13, 0.66), (0.001, 0.0011), (5, 5), (-3, 40), (0, 0)])
def test_ticks_hold_the_values_and_are_few(low, high):
    ticks = ticks_between(low, high)
    assert ticks[0] <= low <= high <= ticks[-1]
    assert 2 <= len(ticks) <= 7
    steps = torch.tensor(ticks).double().diff()
    assert torch.allclose(steps, steps[:1].expand_as(steps), rtol=1e-3)
