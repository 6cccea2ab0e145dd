"""Tables for people, CSV and JSON for programs."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import pytest
import torch

from pylon_zoo.errors import ConfigError
from pylon_zoo.evaluation import Evaluation, console_table, write_tables
from pylon_zoo.evaluation.latex import latex_table
from pylon_zoo.evaluation.tables import as_json, offset_in_words, rows
from pylon_zoo.metrics import POINTING, Interval, MetricResult

NAN = float("nan")


@pytest.fixture
def evaluation() -> Evaluation:
    """Three classes, the last without a box, one class that the model lacks."""
    return Evaluation(
        model="pylon_test",
        dataset="cards",
        split="test",
        classes=("Mass", "Nodule", "Très fin"),
        missing=("Hernia",),
        images=100,
        known=torch.tensor([100, 90, 100]),
        positives=torch.tensor([30, 10, 0]),
        size=(128, 160),
        auroc=MetricResult("auroc", torch.tensor([0.9, 0.5, NAN]), torch.tensor([30, 10, 0])),
        point_accuracy=MetricResult("point_accuracy", torch.tensor([0.75, 0.25, NAN]), torch.tensor([8, 4, 0])),
        seconds=4.0,
    )


def test_rows_by_hand(evaluation):
    mass, _, fine, macro, weighted = rows(evaluation)
    assert mass == {
        "class": "Mass",
        "images": 100,
        "positives": 30,
        "auroc": pytest.approx(0.9),
        "boxed_images": 8,
        "point_accuracy": 0.75,
    }
    assert math.isnan(fine["auroc"])
    assert (macro["auroc"], macro["point_accuracy"]) == (pytest.approx(0.7), pytest.approx(0.5))
    assert (weighted["auroc"], weighted["point_accuracy"]) == (pytest.approx(0.8), pytest.approx(7 / 12))
    assert (macro["images"], macro["positives"], macro["boxed_images"]) == (100, 40, 12)


def test_the_console_table_lines_up(evaluation):
    title, heading, rule, *body, note = console_table(evaluation).splitlines()
    assert title == "pylon_test on cards/test: 100 images, heatmaps judged at 160×128 px, cells where they look"
    assert heading.split() == ["class", "images", "positives", "AUROC", "with", "box", "point", "acc."]
    assert set(rule) == {"-"}
    assert {len(line) for line in (heading, rule, *body)} == {len(heading)}
    assert body[1].split() == ["Nodule", "90", "10", "0.500", "4", "0.250"]
    assert body[2].split() == ["Très", "fin", "100", "0", "-", "0", "-"]
    assert body[-1].split() == ["weighted", "100", "40", "0.800", "12", "0.583"]
    assert note.endswith("Hernia")


def test_files_say_the_same(evaluation, tmp_path):
    written = write_tables(evaluation, tmp_path / "new")
    assert [path.name for path in written] == ["metrics.json", "metrics.csv", "metrics.tex"]
    content = json.loads(written[0].read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert (content["images"], content["input_size"], content["missing_classes"]) == (100, [128, 160], ["Hernia"])
    assert [row["class"] for row in content["classes"]] == ["Mass", "Nodule", "Très fin"]
    assert content["classes"][2]["auroc"] is None
    assert content["macro"] == {"auroc": pytest.approx(0.7), "point_accuracy": pytest.approx(0.5)}
    assert content["images_per_second"] == 25.0
    with written[1].open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["class"] for row in table] == ["Mass", "Nodule", "Très fin", "macro", "weighted"]
    assert (float(table[0]["point_accuracy"]), table[2]["point_accuracy"]) == (0.75, "")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["metrics.csv", "metrics.json", "metrics.tex"]


def test_a_model_without_heatmaps_has_no_point_accuracy(evaluation):
    table = rows(replace(evaluation, point_accuracy=None))
    assert all(math.isnan(row["point_accuracy"]) and row["boxed_images"] == 0 for row in table)


def test_the_papers_layout(evaluation):
    controls = {"oracle": {"point_accuracy": MetricResult("point_accuracy", torch.ones(3), torch.tensor([8, 4, 0]))}}
    lines = latex_table(replace(evaluation, classes=("Mass", "A_b", "C"), controls=controls)).splitlines()
    assert lines[3] == r"Class & Average area & Oracle & Model & AUROC \\"
    assert lines[5:7] == [
        r"Weight. avg. & -- & 1.00 & 0.58 & 0.800 \\",
        r"Macro avg. & -- & 1.00 & 0.50 & 0.700 \\",
    ]
    assert lines[9] == r"A\_b & -- & 1.00 & 0.25 & 0.500 \\"
    assert lines[10].endswith(r"-- & -- \\")


def test_intervals_and_controls_are_columns(evaluation):
    points = evaluation.point_accuracy
    interval = Interval(torch.tensor([0.5, 0.1, NAN]), torch.tensor([0.9, 0.6, NAN]), (0.4, 0.7), (0.45, 0.75))
    full = replace(
        evaluation,
        auprc=evaluation.auroc,
        controls={"random": {"point_accuracy": points}},
        intervals={"point_accuracy": interval},
        replicates=10,
    )
    mass, *_, weighted = rows(full)
    assert (mass["point_accuracy_low"], mass["point_accuracy_high"]) == (0.5, pytest.approx(0.9))
    assert (weighted["point_accuracy_low"], weighted["point_accuracy_random"]) == (0.45, pytest.approx(7 / 12))
    assert "0.750 (0.50–0.90)" in console_table(full)
    content = as_json(full)
    assert content["bootstrap"] == 10
    assert content["macro"]["point_accuracy_high"] == 0.7
    assert content["classes"][2]["point_accuracy_low"] is None


def test_a_file_is_no_folder(evaluation, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"--out .*file cannot be a folder"):
        write_tables(evaluation, tmp_path / "file")


def test_offsets_are_shown_in_words_and_written_as_numbers(evaluation, tmp_path):
    values = [
        [-3.25, 1.5, NAN],
        [0.5, -2.0, NAN],
        [-3.0, 1.0, NAN],
        [0.0, -2.0, NAN],
        [0.5, 0.25, NAN],
        [0.25] * 2 + [NAN],
    ]
    support = torch.tensor([8, 4, 0])
    named = zip(POINTING, values, strict=True)
    full = replace(evaluation, pointing={name: MetricResult(name, torch.tensor(one), support) for name, one in named})
    table = console_table(full)
    assert table.splitlines()[1].split()[-4:] == ["offset", "(px)", "same", "place"]
    assert "3.2 up, 0.5 right  0.50, boxes 0.25" in table
    assert "1.5 down, 2.0 left  0.25, boxes 0.25" in table
    assert [line.split()[-2:] for line in table.splitlines() if line.startswith("Très")] == [["-", "-"]]
    row = as_json(full)["classes"][0]
    assert [row[name] for name in POINTING] == [-3.25, 0.5, -3.0, 0.0, 0.5, 0.25]
    assert as_json(full)["macro"]["offset_down"] == -0.875
    write_tables(full, tmp_path)
    with (tmp_path / "metrics.csv").open(newline="", encoding="utf-8") as file:
        assert [float(next(csv.DictReader(file))[name]) for name in POINTING[:1]] == [-3.25]


def test_metrics_judged_by_masks_are_named(evaluation, tmp_path):
    energy = MetricResult("energy", torch.tensor([0.5, 0.25, NAN]), torch.tensor([8, 4, 0]))
    full = replace(evaluation, others={"energy": energy, "max_box": energy}, by_masks=("energy",))
    heading = console_table(full).splitlines()[1]
    assert "energy (masks)" in heading
    assert "max box (masks)" not in heading
    assert as_json(full)["by_masks"] == ["energy"]
    write_tables(full, tmp_path)
    with (tmp_path / "metrics.csv").open(newline="", encoding="utf-8") as file:
        assert {row["by_masks"] for row in csv.DictReader(file)} == {"energy"}
    assert "by_masks" not in as_json(evaluation)
    assert "by_masks" not in (write_tables(evaluation, tmp_path)[1]).read_text(encoding="utf-8")


def test_the_interval_of_an_offset_counts_in_its_direction():
    assert offset_in_words(-2.0, 0.5, (-3.25, -1.0), (-0.5, 1.75)) == "2.0 up (1.0–3.2), 0.5 right (-0.5 to 1.8)"
    assert offset_in_words(2.0, -0.5, (), ()) == "2.0 down, 0.5 left"
