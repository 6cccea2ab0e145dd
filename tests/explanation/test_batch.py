from __future__ import annotations

import json
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.explanation.batch import explain_to_folder


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Two images of one name in two folders, and an empty file between them."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / "a" / "chest.png", tmp_path / "a" / "empty.png", tmp_path / "b" / "chest.png"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (50, 40), dtype=np.uint8)).save(paths[0])
    paths[1].touch()
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(paths[2])
    return paths


def test_every_key_is_always_there(small_model, images: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = explain_to_folder(small_model, images, out, model_name="tiny", top=2)
    assert json.loads((out / "results.json").read_text(encoding="utf-8")) == results
    assert list(results) == ["model", "thresholds", "images"]
    assert results["model"] == "tiny"
    assert [entry["path"] for entry in results["images"]] == [str(path) for path in images]
    for entry in results["images"]:
        assert list(entry) == ["path", "width", "height", "error", "findings"]
        for finding in entry["findings"]:
            assert list(finding) == ["label", "probability", "peak", "overlay"]
            assert list(finding["peak"]) == ["x", "y"]
            assert 0 <= finding["peak"]["x"] < entry["width"]
            assert 0 <= finding["peak"]["y"] < entry["height"]
            assert Image.open(out / finding["overlay"]).mode == "RGB"
    first, broken, second = results["images"]
    assert (first["width"], first["height"], first["error"]) == (40, 50, None)
    assert (second["width"], second["height"]) == (64, 64)
    assert (broken["width"], broken["height"], broken["findings"]) == (None, None, [])
    assert "empty.png" in broken["error"]
    assert len({finding["overlay"] for entry in results["images"] for finding in entry["findings"]}) == 4
    assert sorted(path.name for path in out.iterdir()) == ["overlays", "report.html", "results.json"]


def test_thresholds_and_their_source_are_written(fixed_model, images: list[Path], tmp_path: Path) -> None:
    model = fixed_model(torch.zeros(2, 2, 2), ("x", "y"))
    model.thresholds = (0.25, 0.75)
    for asked, source, values, said in (
        (None, "model", {"y": 0.75, "x": 0.25}, "0.25 to 0.75 by class (the model's own)"),
        (0.5, "asked", {"y": 0.5, "x": 0.5}, "0.5 (as asked for)"),
    ):
        out = tmp_path / source
        results = explain_to_folder(model, images[:1], out, model_name="m", labels=["y", "x"], threshold=asked)
        assert results["thresholds"] == {"source": source, "values": values}
        html = unescape((out / "report.html").read_text(encoding="utf-8"))
        assert f"<dd>{said}</dd>" in html
        below = [label for label, value in values.items() if value > 0.5]
        assert html.count("below threshold") == len(below)


def test_findings_are_the_most_probable(small_model, images: list[Path], tmp_path: Path) -> None:
    results = explain_to_folder(small_model, images[:1], tmp_path / "out", model_name="tiny", top=9)
    findings = results["images"][0]["findings"]
    assert sorted(finding["label"] for finding in findings) == ["effusion", "mass", "nodule"]
    probabilities = [finding["probability"] for finding in findings]
    assert probabilities == sorted(probabilities, reverse=True)


def test_labels_limit_findings(small_model, images: list[Path], tmp_path: Path) -> None:
    results = explain_to_folder(small_model, images[:1], tmp_path / "out", model_name="tiny", labels=["mass"])
    assert [finding["label"] for finding in results["images"][0]["findings"]] == ["mass"]


def test_batches_change_nothing(small_model, images: list[Path], tmp_path: Path) -> None:
    alone, together = (
        explain_to_folder(small_model, images, tmp_path / str(size), model_name="tiny", batch_size=size, top=1)
        for size in (1, 8)
    )
    for one, other in zip(alone["images"], together["images"], strict=True):
        assert one["error"] == other["error"]
        for mine, theirs in zip(one["findings"], other["findings"], strict=True):
            assert mine["probability"] == pytest.approx(theirs["probability"], abs=1e-4)
            assert (mine["label"], mine["overlay"]) == (theirs["label"], theirs["overlay"])


def test_heatmaps_are_kept_raw(fixed_model, images: list[Path], tmp_path: Path) -> None:
    heatmap = torch.randn(2, 3, 5)
    out = tmp_path / "out"
    explain_to_folder(fixed_model(heatmap, ("x", "y")), images, out, model_name="fixed", save_heatmaps=True, top=1)
    assert sorted(path.name for path in (out / "heatmaps").iterdir()) == ["chest-2.npz", "chest.npz"]
    with np.load(out / "heatmaps" / "chest-2.npz", allow_pickle=False) as saved:
        assert np.array_equal(saved["heatmaps"], heatmap.numpy())
        assert saved["labels"].tolist() == ["x", "y"]
        assert saved["probabilities"] == pytest.approx(heatmap.amax((1, 2)).sigmoid().numpy())
        assert str(saved["path"]) == str(images[2])


def test_images_from_memory_have_the_name_they_are_given(small_model, tmp_path: Path) -> None:
    pair = ("phantom 7", np.zeros((32, 32), dtype=np.uint8))
    results = explain_to_folder(small_model, [pair], tmp_path, model_name="tiny", top=1)
    (entry,) = results["images"]
    assert entry["path"] == "phantom 7"
    assert entry["findings"][0]["overlay"].startswith("overlays/phantom_7__1_")


def test_output_that_is_no_number_is_an_entry(fixed_model, images: list[Path], tmp_path: Path) -> None:
    model = fixed_model(torch.full((1, 2, 2), float("nan")))
    results = explain_to_folder(model, images[:1], tmp_path / "out", model_name="fixed")
    (entry,) = results["images"]
    assert "not finite" in entry["error"]
    assert entry["findings"] == []


def test_the_files_do_not_depend_on_when_or_where(small_model, images: list[Path], tmp_path: Path) -> None:
    for name in ("one", "two"):
        explain_to_folder(small_model, images, tmp_path / name, model_name="tiny", save_heatmaps=True, top=1)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_a_crash_leaves_nothing_behind(small_model, images: list[Path], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("pylon_zoo.explanation.batch.Report.html", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        explain_to_folder(small_model, images, tmp_path / "out", model_name="tiny", top=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["top", "batch_size"])
def test_counts_start_at_one(small_model, tmp_path: Path, option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option}=0"):
        explain_to_folder(small_model, [], tmp_path / "out", model_name="tiny", **{option: 0})


def test_a_wrong_label_stops_before_anything_is_written(small_model, images: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError):
        explain_to_folder(small_model, images, tmp_path / "out", model_name="tiny", labels=["nodul"])
    assert not (tmp_path / "out").exists()


def test_odd_file_names_are_written_and_escaped(small_model, tmp_path: Path) -> None:
    source = tmp_path / "<b>ü结 .png"
    Image.new("L", (32, 32)).save(source)
    results = explain_to_folder(small_model, [source, "bad\udcff.png"], tmp_path / "out", model_name="tiny", top=1)
    assert json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8")) == results
    assert "&lt;b&gt;ü结" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
