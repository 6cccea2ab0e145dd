"""Interrupted, continued, refused; and several processes."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from prediction_inputs import command, encoded, environment, write_folder

from pylon_zoo.deployment.prediction import predict as module
from pylon_zoo.deployment.prediction.parts import MANIFEST
from pylon_zoo.errors import ConfigError

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "predict_memory.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "scans", 10, broken=(3,))


class Stop(Exception):
    """An interruption."""


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch, predict):
    """`interrupted(after, *inputs, **options)`: a run that stops before its row number `after` is known."""

    def run(after: int, *inputs: Path, **options) -> None:
        original = module.row

        def stopping(loaded, explanation):
            if loaded.number >= after:
                raise Stop
            return original(loaded, explanation)

        with monkeypatch.context() as patch:
            patch.setattr(module, "row", stopping)
            with pytest.raises(Stop):
                predict(*inputs, **options)

    return run


@pytest.mark.slow
def test_killed_twice_and_run_again_gives_the_same_bytes(tmp_path: Path, checkpoint: str) -> None:
    table = tmp_path / "figures.csv"
    words = ["--images", "150", "--few", "50", "--rows-per-part", "25", "--csv", table, "--checkpoint", checkpoint]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, words)], capture_output=True, text=True, timeout=300, env=environment()
    )
    assert done.returncode == 0, done.stderr
    with table.open(newline="", encoding="utf-8") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    assert rows["killed"]["same_bytes"] == "True"
    assert (rows["killed"]["kills"], rows["undisturbed"]["broken"]) == ("2", "1")


def test_only_what_is_missing_is_predicted(folder: Path, predict, interrupted, tmp_path: Path, monkeypatch) -> None:
    predict(folder, rows_per_part=3, out="whole.parquet")
    interrupted(7, folder, rows_per_part=3)
    parts = tmp_path / "out.parquet.parts"
    assert sorted(path.name for path in parts.iterdir()) == ["00000.parquet", "00001.parquet", MANIFEST]
    assert not (tmp_path / "out.parquet").exists()
    (parts / "00000.parquet").write_bytes(b"PAR1 half of it")
    seen = []
    original = module.row
    monkeypatch.setattr(module, "row", lambda one, found: seen.append(one.number) or original(one, found))
    predict(folder, rows_per_part=3)
    assert seen == [0, 1, 2, 6, 7, 8, 9]
    assert not parts.exists()
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_a_finished_run_is_left_alone(folder: Path, predict, tmp_path: Path) -> None:
    predict(folder)
    before = (tmp_path / "out.parquet").stat().st_mtime_ns
    predict(folder)
    assert (tmp_path / "out.parquet").stat().st_mtime_ns == before


@pytest.mark.parametrize("finished", [False, True])
def test_another_run_is_refused(folder: Path, predict, interrupted, tmp_path: Path, finished: bool) -> None:
    predict(folder, rows_per_part=3) if finished else interrupted(7, folder, rows_per_part=3)
    before = {path: path.read_bytes() for path in tmp_path.glob("out*/*")}
    for options, message in (
        ({"threshold": 0.25}, r"options.thresholds \(\[0.5, 0.5, 0.5\] there, \[0.25, 0.25, 0.25\] now\)"),
        ({"model_name": "other"}, r'model.name \("small" there, "other" now\)'),
        ({"native_size": True}, "options.native_size"),
    ):
        with pytest.raises(ConfigError, match=f"{message}.*--overwrite"):
            predict(folder, rows_per_part=3, **options)
    (folder / "new.png").write_bytes(encoded(0))
    with pytest.raises(ConfigError, match=r"inputs.images \(10 there, 11 now\); inputs.sha256"):
        predict(folder, rows_per_part=3)
    assert {path: path.read_bytes() for path in tmp_path.glob("out*/*")} == before
    assert len(predict(folder, rows_per_part=3, threshold=0.25, overwrite=True)) == 11


def test_an_image_that_has_changed_is_another_input(folder: Path, predict, interrupted) -> None:
    interrupted(7, folder, rows_per_part=3)
    (folder / "1.jpg").write_bytes(encoded(99, kind="jpeg"))
    with pytest.raises(ConfigError, match=r"differs in inputs\.sha256"):
        predict(folder, rows_per_part=3)


def test_other_weights_are_another_model(folder: Path, predict, interrupted, model) -> None:
    interrupted(7, folder, rows_per_part=3)
    parameter = next(model.parameters())
    parameter.data.mul_(2)
    try:
        with pytest.raises(ConfigError, match=r"differs in model\.weights_sha256"):
            predict(folder, rows_per_part=3)
    finally:
        parameter.data.div_(2)


@pytest.mark.parametrize("content", [b"", b"a letter"])
def test_a_file_that_is_no_result_is_not_replaced(content: bytes, folder: Path, predict, tmp_path: Path) -> None:
    (tmp_path / "out.parquet").write_bytes(content)
    with pytest.raises(ConfigError, match="is no result of pylon-zoo predict"):
        predict(folder)
    assert (tmp_path / "out.parquet").read_bytes() == content


@pytest.mark.slow
def test_two_processes_give_the_bytes_of_one(folder: Path, checkpoint: str, tmp_path: Path) -> None:
    words = [
        "--checkpoint",
        checkpoint,
        "--input",
        folder,
        "--rows-per-part",
        "3",
        "--batch-size",
        "2",
        "--device",
        "cpu",
    ]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launcher += ["--master-addr", "127.0.0.1", "--master-port", str(port), "--module", "pylon_zoo", "predict"]
    heat = ["--heatmaps", "npz", "--heatmaps-dir"]
    runs = {
        "one": command(*words, "--out", tmp_path / "one.parquet", *heat, tmp_path / "heat-one"),
        "two": [*launcher, *map(str, [*words, "--out", tmp_path / "two.parquet", *heat, tmp_path / "heat-two"])],
    }
    for name, words_ in runs.items():
        done = subprocess.run(words_, capture_output=True, text=True, timeout=300, env=environment())
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Predicted 9 of 10 images") == 1, name
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert len(pq.read_table(tmp_path / "two.parquet")) == 10
    names = [sorted(os.listdir(tmp_path / heat / "00002")) for heat in ("heat-one", "heat-two")]  # noqa: PTH208
    assert names[0] == names[1] != []
