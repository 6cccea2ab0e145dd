from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pylon_zoo.data.check import check_dataset
from pylon_zoo.data.hugging_face import HuggingFace
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.errors import ConfigError, DataError, MissingDependencyError, UnknownNameError


def test_without_the_package_it_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(MissingDependencyError, match=r"pylon-zoo\[hf\]"):
        open_dataset(f"hf:{tmp_path}", "train")


def png(number: int) -> bytes:
    stream = io.BytesIO()
    values = np.random.default_rng(number).integers(0, 256, (8, 12), dtype=np.uint8)
    Image.fromarray(values).save(stream, "png")
    return stream.getvalue()


def table(hub, count: int = 20, start: int = 0, **columns):
    """Rows of an image column and others; `columns` are functions of the row's number."""
    rows = range(start, start + count)
    content = {name: [make(row) for row in rows] for name, make in columns.items()}
    made = hub.Dataset.from_dict({"picture": [{"bytes": png(row), "path": None} for row in rows], **content})
    return made.cast_column("picture", hub.Image())


@pytest.fixture
def hub():
    return pytest.importorskip("datasets")


def saved(hub, folder: Path, **splits) -> Path:
    hub.DatasetDict(splits).save_to_disk(str(folder))
    return folder


def test_a_column_of_classes(hub, tmp_path):
    kind = hub.ClassLabel(names=["good", "crack", "fray"])
    splits = {
        name: table(hub, start=start, label=lambda row: row % 3).cast_column("label", kind)
        for name, start in (("train", 0), ("validation", 100), ("test", 200))
    }
    root = saved(hub, tmp_path / "saved", **splits)
    data = HuggingFace(root, "val")
    assert (data.classes, len(data), data.channels) == (("crack", "fray"), 20, 3)
    assert data.targets()[:3].tolist() == [[1, 0], [0, 1], [0, 0]]  # of the rows 100, 101 and 102
    assert (data[2].image.shape, data[2].patient) == ((3, 8, 12), "validation/2")
    assert open_dataset(f"hf:{root}", "val", normal="-", channels=1)[0].image.shape == (1, 8, 12)
    report = check_dataset(f"hf:{root}")
    assert (report.problems, [split.images for split in report.splits]) == ([], [20, 20, 20])


def test_parquet_with_a_column_for_each_label(hub, tmp_path):
    made = table(hub, 40, edema=lambda row: [1, 0, None][row % 3], mass=lambda row: row % 2, who=lambda row: row // 4)
    (tmp_path / "data").mkdir()
    made.to_parquet(str(tmp_path / "data" / "train-00000.parquet"))
    spec = f"hf:{tmp_path / 'data'}"
    data = {split: open_dataset(spec, split, labels="edema,mass", patient="who") for split in ("train", "val", "test")}
    assert data["train"].classes == ("edema", "mass")
    assert sum(map(len, data.values())) == 40
    assert not set(data["train"].patients) & set(data["test"].patients)
    assert data["train"].targets()[:, 0].isnan().any()
    one = open_dataset(f"hf:{tmp_path / 'data' / 'train-00000.parquet'}", "train", labels=["mass"])
    assert one.classes == ("mass",)


def test_texts_lists_and_flags(hub, tmp_path):
    root = saved(
        hub, tmp_path / "texts", train=table(hub, label=lambda row: "ab"[row % 2]), test=table(hub, 4, 50, label=str)
    )
    data = HuggingFace(root, "train")
    assert data.classes == ("50", "51", "52", "53", "a", "b")
    assert len(data) + len(HuggingFace(root, "val")) == 20
    root = saved(hub, tmp_path / "lists", test=table(hub, labels=lambda row: ["x", "y"][: row % 3]))
    targets = [sample.target.tolist() for split in ("train", "val", "test") for sample in HuggingFace(root, split)]
    assert sorted(targets) == sorted([[0, 0], [1, 0], [1, 1]] * 6 + [[0, 0], [1, 0]])
    root = saved(hub, tmp_path / "flags", train=table(hub, wet=lambda row: row % 2 == 0, age=lambda row: row))
    assert HuggingFace(root, "train").classes == ("wet",)


def test_what_is_wrong_is_named(hub, tmp_path):
    root = saved(hub, tmp_path / "flags", train=table(hub, mass=lambda row: row if row < 4 else 0, wet=lambda row: 1))
    with pytest.raises(DataError, match=r"flags' split 'train' row 2 has 2 in the column 'mass': a label must be 1, 0"):
        HuggingFace(root, "train", labels="mass,wet")
    assert HuggingFace(root, "train", labels="mass").classes == ("0", "1", "2", "3")


def test_mistakes(hub, tmp_path):
    root = saved(hub, tmp_path / "a", train=table(hub, 40, mass=lambda row: 0, who=lambda row: row // 2))
    with pytest.raises(DataError, match=r"has no column of labels: name them with labels=…, of mass, who"):
        HuggingFace(root, "train")
    with pytest.raises(UnknownNameError, match=r"has no column 'mas'.*Did you mean 'mass'"):
        HuggingFace(root, "train", labels="mas")
    with pytest.raises(UnknownNameError, match="has no column 'imag'"):
        HuggingFace(root, "train", image="imag")
    with pytest.raises(UnknownNameError, match="has no column 'whose'"):
        HuggingFace(root, "train", labels="mass", patient="whose")
    with pytest.raises(ConfigError, match="channels=2"):
        HuggingFace(root, "train", channels=2)
    with pytest.raises(DataError, match=r"nothing' cannot be loaded \(.*give a folder, a Parquet file or a name"):
        HuggingFace(tmp_path / "nothing", "train")
    both = saved(hub, tmp_path / "b", **dict.fromkeys(("train", "test"), table(hub, mass=lambda row: 0, who=str)))
    with pytest.raises(DataError, match=r"Patient '0' .* is in both"):
        HuggingFace(both, "train", labels="mass", patient="who")


def test_broken_and_missing_images_are_named_with_their_row(hub, tmp_path):
    content = {"image": [{"bytes": png(0)[:60], "path": None}, None] * 20, "label": ["a", "b"] * 20}
    made = hub.Dataset.from_dict(content, features=hub.Features({"image": hub.Image(), "label": hub.Value("string")}))
    root = saved(hub, tmp_path / "broken", train=made)
    report = check_dataset(f"hf:{root}")
    assert len(report.problems) == 40
    assert all("split train row" in problem for problem in report.problems)
    assert sum("has no image in the column 'image'" in problem for problem in report.problems) == 20
