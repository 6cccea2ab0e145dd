from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from prediction_inputs import encoded, write_folder, write_tar

import pylon_zoo
from pylon_zoo.data.images import read_image
from pylon_zoo.deployment.prediction.heatmaps import read_heatmaps
from pylon_zoo.deployment.prediction.rows import METADATA_KEY
from pylon_zoo.errors import ConfigError
from pylon_zoo.preprocessing import eval_transform


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "scans", 9, broken=(4,), sizes=3)


@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_every_number_is_that_of_explain(folder: Path, predict, model, threshold: float) -> None:
    """Bit for bit for images one by one; in larger batches, convolutions may round otherwise."""
    table = predict(folder, batch_size=1, threshold=threshold)
    boxes = 0
    for values in table.to_pylist():
        if values["error"]:
            continue
        explanation = pylon_zoo.explain(model, values["path"], threshold=threshold)
        assert (values["width"], values["height"]) == (explanation.width, explanation.height)
        expected = []
        for label in explanation.labels:
            finding = explanation.finding(label)
            assert values[f"p_{label}"] == finding.probability
            assert (values[f"x_{label}"], values[f"y_{label}"]) == finding.peak
            shown = explanation.probability_map(label)
            for x0, y0, x1, y1 in finding.boxes:
                score = float(shown[y0 : y1 + 1, x0 : x1 + 1].max())
                expected.append({"label": label, "x0": x0, "y0": y0, "x1": x1, "y1": y1, "score": score})
        assert values["boxes"] == expected
        boxes += len(expected)
    assert boxes
    larger = predict(folder, batch_size=4, threshold=threshold, out="larger.parquet")
    for label in model.label_names:
        one, four = (np.array(each[f"p_{label}"].drop_null()) for each in (table, larger))
        np.testing.assert_allclose(one, four, atol=1e-6)


def test_a_broken_image_is_a_row(folder: Path, predict) -> None:
    rows = predict(folder).to_pylist()
    assert [Path(values["path"]).name for values in rows] == [f"{n}.{('png', 'jpg')[n % 2]}" for n in range(9)]
    assert [values["error"] for values in rows].count(None) == 8
    broken = rows[4]
    assert "is not an image" in broken.pop("error")
    assert broken.pop("path").endswith("4.png")
    assert set(broken.values()) == {None}


def test_the_models_own_thresholds_count_where_none_is_asked_for(folder: Path, predict, model, monkeypatch) -> None:
    plain = predict(folder, out="plain.parquet")
    monkeypatch.setattr(model, "thresholds", (0.001, 0.5, 0.999))
    own = predict(folder, out="own.parquet")
    made = json.loads(own.schema.metadata[METADATA_KEY])["options"]
    assert (made["thresholds"], made["thresholds_from"]) == ([0.001, 0.5, 0.999], "model")
    labels = [{box["label"] for row in table["boxes"].to_pylist() for box in row or ()} for table in (plain, own)]
    assert "pleural effusion" in labels[0]
    assert "pleural effusion" not in labels[1]
    assert all(row is None or any(box["label"] == "nodule" for box in row) for row in own["boxes"].to_pylist())


def test_types_and_metadata(folder: Path, predict, model, tmp_path: Path) -> None:
    schema = predict(folder, labels=["mass", "nodule"]).schema
    assert schema.names == [
        "path", "source", "width", "height", "error", "p_mass", "p_nodule", "x_mass", "y_mass", "x_nodule", "y_nodule",
        "boxes",
    ]  # fmt: skip
    assert schema.field("p_mass").type == pa.float32()
    assert schema.field("x_nodule").type == pa.int32()
    made = json.loads(schema.metadata[METADATA_KEY])
    assert made["model"]["name"] == "small"
    assert (made["options"]["thresholds"], made["options"]["thresholds_from"]) == ([0.5, 0.5], "default")
    assert made["options"]["labels"] == ["mass", "nodule"]
    assert made["made_by"]["pylon_zoo"] == pylon_zoo.__version__
    assert made["inputs"]["images"] == 9
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == ["out.parquet"]


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"workers": 2}, {"workers": 1, "batch_size": 3}, {"rows_per_part": 2}])
@pytest.mark.parametrize("native_size", [False, True])
def test_neither_workers_nor_parts_nor_batches_change_the_rows(
    folder: Path, predict, options: dict, native_size: bool
) -> None:
    one = predict(folder, native_size=native_size)
    other = predict(folder, out="other.parquet", native_size=native_size, **options)
    assert one["path"] == other["path"]
    assert one["error"] == other["error"]
    assert one["x_mass"] == other["x_mass"]
    values = [np.array(table["p_mass"].drop_null()) for table in (one, other)]
    np.testing.assert_allclose(*values, atol=1e-6)
    if "batch_size" not in options and "rows_per_part" not in options:
        assert one.equals(other)


def test_native_size_shows_the_model_the_image_as_it_is(folder: Path, predict, model) -> None:
    table = predict(folder, native_size=True, batch_size=3)
    usual = predict(folder, out="usual.parquet")
    assert not np.allclose(table["p_mass"].drop_null(), usual["p_mass"].drop_null(), atol=1e-4)
    for values in table.to_pylist():
        if not values["error"]:
            size = (values["height"], values["width"])
            x = replace(eval_transform(model), size=size).image(read_image(values["path"]))
            with torch.inference_mode():
                expected = model(x[None]).sigmoid()[0, 1]
            assert values["p_mass"] == pytest.approx(float(expected), abs=1e-6)


def test_an_image_the_model_refuses_is_a_row(tmp_path: Path, predict, model, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path / "scans", 2)
    (folder / "tiny.png").write_bytes(encoded(0, (3, 5)))
    original = model.forward_with_heatmap

    def refusing(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if x.shape[-1] < 10:
            raise ConfigError(f"The input has {x.shape[-1]} pixels: give at least 10.")
        return original(x)

    monkeypatch.setattr(model, "forward_with_heatmap", refusing)
    rows = predict(folder, native_size=True).to_pylist()
    assert [values["error"] for values in rows] == [None, None, "The input has 5 pixels: give at least 10."]
    assert (rows[2]["width"], rows[2]["height"], rows[2]["p_mass"], rows[2]["boxes"]) == (5, 3, None, None)


def test_all_kinds_of_source_give_the_same_numbers(tmp_path: Path, predict) -> None:
    folder = write_folder(tmp_path / "scans", 4, sizes=2)
    names = sorted(path.name for path in folder.iterdir())
    contents = {name: (folder / name).read_bytes() for name in names}
    write_tar(tmp_path / "a.tar", contents)
    pq.write_table(pa.table({"bytes": list(contents.values()), "path": names}), tmp_path / "b.parquet")
    (folder / "list.csv").write_text("image\n" + "\n".join(names), encoding="utf-8")
    inputs = [folder, tmp_path / "a.tar", tmp_path / "b.parquet", folder / "list.csv"]
    table = predict(*inputs, rows_per_part=3, workers=1, batch_size=1)
    assert [Path(source).name if source else None for source in table["source"].to_pylist()] == [
        *[None] * 4, *["a.tar"] * 4, *["b.parquet"] * 4, *["list.csv"] * 4,
    ]  # fmt: skip
    numbers = table.drop_columns(["path", "source"])
    assert all(numbers.slice(4 * turn, 4).equals(numbers.slice(0, 4)) for turn in range(4))
    assert table["path"].to_pylist()[4:] == names * 3


@pytest.mark.parametrize(("kind", "classes"), [("png", "all"), ("png", "found"), ("npz", "all"), ("npz", "found")])
def test_heatmaps_are_read_back(
    kind: str, classes: str, folder: Path, predict, model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heat = tmp_path / "heat"
    options = {"heatmaps": kind, "heatmaps_dir": heat, "heatmaps_of": classes, "rows_per_part": 4, "batch_size": 1}
    written = set()
    for values in predict(folder, **options).to_pylist():
        if values["error"]:
            assert values["heatmaps"] is None
            continue
        explanation = pylon_zoo.explain(model, values["path"])
        labels = {box["label"] for box in values["boxes"]} if classes == "found" else set(model.label_names)
        assert {entry["label"] for entry in values["heatmaps"]} == labels
        for entry in values["heatmaps"]:
            written.add(entry["file"])
            raw = explanation.native_heatmaps[explanation.index(entry["label"])].numpy()
            got = read_heatmaps(heat / entry["file"])[entry["label"]]
            assert got.shape == raw.shape
            assert got.dtype == np.float32
            half_step = (raw.max() - raw.min()) / 255 / 2
            tolerance = half_step * 1.001 if kind == "png" else np.abs(raw).max() * 2**-11
            assert np.abs(got - raw).max() <= tolerance
    assert written == {path.relative_to(heat).as_posix() for path in heat.rglob("*.*")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.0}, "threshold"),
        ({"heatmaps": "png"}, "give both"),
        ({"heatmaps_dir": "heat"}, "give both"),
        ({"heatmaps": "pgn", "heatmaps_dir": "heat"}, "Did you mean 'png'"),
        ({"labels": ["mas"]}, "Did you mean 'mass'"),
    ],
)
def test_options_that_cannot_work(options: dict, message: str, folder: Path, predict, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=message):
        predict(folder, **options)
    assert sorted(tmp_path.rglob("*")) == before


def test_heatmaps_do_not_go_where_images_come_from(folder: Path, predict) -> None:
    with pytest.raises(ConfigError, match="give a folder outside it"):
        predict(folder, heatmaps="png", heatmaps_dir=folder / "heat")


def test_a_model_that_says_nothing_gives_errors(folder: Path, predict, model) -> None:
    with torch.no_grad():
        parameter = next(iter(model.head.parameters()))
        kept = parameter.clone()
        parameter.fill_(float("nan"))
        try:
            rows = predict(folder).to_pylist()
        finally:
            parameter.copy_(kept)
    assert all(values["error"] for values in rows)
    assert sum("not finite" in values["error"] for values in rows) == 8
