"""Inputs and results at addresses: what `predict` does with files it does there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prediction_inputs import encoded, write_folder, write_tar

from pylon_zoo import remote
from pylon_zoo.deployment.prediction import predict as module
from pylon_zoo.deployment.prediction.heatmaps import read_heatmaps
from pylon_zoo.deployment.prediction.predict import predict_to_parquet
from pylon_zoo.deployment.prediction.sources import list_items
from pylon_zoo.errors import ConfigError, ImageError

HERE = "memory://bucket"


@pytest.fixture(autouse=True)
def bucket() -> Iterator[Any]:
    """An empty store, in memory."""
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pseudo_dirs[:] = [""]
    yield store
    store.store.clear()


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Nine images, one of them broken, with lists, a shard and a table; the same at `HERE`."""
    folder = write_folder(tmp_path / "scans", 9, broken=(4,))
    write_folder(folder / "10", 1)
    write_folder(folder / ".hidden", 1)
    write_tar(folder / "shard-0.tar", {"a.png": encoded(1), "b.png": encoded(2)})
    table = pa.table({"image": [{"bytes": encoded(3), "path": "c"}, {"bytes": None, "path": "0.png"}]})
    pq.write_table(table, folder / "table.parquet")
    (folder / "list.csv").write_text("path\n0.png\n10/0.png\n", encoding="utf-8")
    (folder / "list.txt").write_text("0.png\nmemory://bucket/scans/1.jpg\n", encoding="utf-8")
    for path in folder.rglob("*"):
        if path.is_file():
            remote.upload(path, f"{HERE}/scans/{path.relative_to(folder).as_posix()}")
    return folder


def table_at(address: str) -> pa.Table:
    return pq.read_table(io.BytesIO(remote.read_bytes(address)))


@pytest.mark.parametrize(
    "name",
    ["scans", "scans/*.png", "sc*", "scans/shard-{0..0}.tar", "scans/table.parquet", "scans/list.csv", "scans/1.jpg"],
)
def test_inputs_elsewhere_give_the_rows_of_the_same_files_here(name: str, scans: Path, predict) -> None:
    here = predict(scans.parent / name, out="here.parquet").to_pylist()
    there = predict(f"{HERE}/{name}", out="there.parquet").to_pylist()
    for ours, theirs in zip(here, there, strict=True):
        for column in ("path", "source"):
            expected = ours.pop(column)
            moved = expected and expected.replace(str(scans.parent), HERE)
            assert theirs.pop(column) == moved
        assert (ours.pop("error") is None) == (theirs.pop("error") is None)
        assert ours == theirs


def test_a_list_may_name_addresses(scans: Path, predict) -> None:
    assert predict(scans / "list.txt")["error"].to_pylist() == [None, None]


def test_a_result_elsewhere_is_continued_and_has_the_same_bytes(scans: Path, predict, model, monkeypatch) -> None:
    options = {"model_name": "small", "batch_size": 4, "rows_per_part": 3}
    predict(f"{HERE}/scans", **options, out="here.parquet")
    original = module.row

    class Stop(Exception):
        pass

    def stopping(loaded: Any, explanation: Any) -> dict[str, Any]:
        if loaded.number >= 7:
            raise Stop
        return original(loaded, explanation)

    out = f"{HERE}/results/found.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(module, "row", stopping)
        with pytest.raises(Stop):
            predict_to_parquet(model, [f"{HERE}/scans"], out, **options)
    names = sorted(name for name, _ in remote.listing(f"{out}.parts"))
    assert [name.rpartition("/")[2] for name in names] == ["00000.parquet", "00001.parquet", "run.json"]
    with pytest.raises(ConfigError, match=r"found\.parquet\.parts is from another run"):
        predict_to_parquet(model, [f"{HERE}/scans"], out, **options, threshold=0.25)
    outcome = predict_to_parquet(model, [f"{HERE}/scans"], out, **options)
    assert (outcome.images, outcome.failed, outcome.found_done) == (10, 1, 6)
    assert not remote.is_folder(f"{out}.parts")
    assert remote.read_bytes(out) == (scans.parent / "here.parquet").read_bytes()
    assert predict_to_parquet(model, [f"{HERE}/scans"], out, **options).found_done == 10


def test_an_image_that_has_changed_is_another_input(scans: Path, predict) -> None:
    predict(f"{HERE}/scans")
    remote.write_bytes(f"{HERE}/scans/1.jpg", encoded(99, kind="jpeg"))
    with pytest.raises(ConfigError, match=r"differs in inputs\.sha256"):
        predict(f"{HERE}/scans")


def test_heatmaps_elsewhere(scans: Path, predict, tmp_path: Path) -> None:
    table = predict(f"{HERE}/scans/0.png", heatmaps="npz", heatmaps_dir=f"{HERE}/heat", heatmaps_of="all")
    files = {entry["file"] for entry in table["heatmaps"].to_pylist()[0]}
    (tmp_path / "one.npz").write_bytes(remote.read_bytes(f"{HERE}/heat/{files.pop()}"))
    assert len(read_heatmaps(tmp_path / "one.npz")) == 3
    with pytest.raises(ConfigError, match="lies in the input"):
        predict(f"{HERE}/scans", out="other.parquet", heatmaps="npz", heatmaps_dir=f"{HERE}/scans/heat")


@pytest.mark.parametrize("name", ["empty", "empty/*.png"])
def test_nothing_found_is_an_error(name: str, bucket: Any) -> None:
    bucket.makedirs("/bucket/empty")
    with pytest.raises(ImageError, match="holds no image"):
        list(list_items([f"{HERE}/{name}"]))


@pytest.mark.parametrize("name", ["list.csv", "shard.tar", "table.parquet"])
def test_a_list_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        list(list_items([f"{HERE}/{name}"]))


def test_an_image_that_is_not_there_is_a_row(predict) -> None:
    assert predict(f"{HERE}/nowhere.png")["error"].to_pylist() == [
        f"'{HERE}/nowhere.png' does not exist: check the address."
    ]
