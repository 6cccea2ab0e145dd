from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from prediction_inputs import write_folder

from pylon_zoo import remote
from pylon_zoo.cli.main import main
from pylon_zoo.models.build import build_model
from pylon_zoo.weights.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    model = build_model("pylon_test_resnet", 3, in_chans=1, label_names=("nodule", "mass", "effusion"))
    return str(save_checkpoint(model, tmp_path_factory.mktemp("checkpoint")))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with `scans/0.png` to `scans/4.png`, of which one is broken."""
    monkeypatch.chdir(tmp_path)
    return write_folder(tmp_path / "scans", 5, broken=(2,))


def test_a_folder_is_predicted(folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["predict", "--checkpoint", checkpoint, "--input", "scans", "--out", "new/table.parquet"]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert captured.out == "Predicted 4 of 5 images. Written: new/table.parquet\n"
    assert captured.err == (
        "pylon-zoo: warning: 1 of 5 images could not be predicted; the column 'error' of new/table.parquet says why.\n"
    )
    assert pq.read_table("new/table.parquet")["path"].to_pylist()[:2] == ["scans/0.png", "scans/1.jpg"]
    assert main(words) == 0
    assert "Predicted 4 of 5 images, 5 of them by an earlier run" in capsys.readouterr().out


def test_when_nothing_can_be_read_it_fails(folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--checkpoint", checkpoint, "--input", "scans/2.png", "nowhere.png", "--out", "table.parquet"]
    assert main(["predict", *words]) == 1
    assert "error: 2 of 2 images could not be predicted" in capsys.readouterr().err
    assert pq.read_table("table.parquet").num_rows == 2


def test_quiet_says_only_what_is_wrong(folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--checkpoint", checkpoint, "--out", "table.parquet", "--quiet", "--input"]
    assert main(["predict", *words, "scans/0.png"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["predict", *words, "scans", "--overwrite"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "warning: 1 of 5" in captured.err


def test_options_reach_the_table(folder: Path, checkpoint: str) -> None:
    words = ["--labels", "mass, nodule", "--threshold", "0.1", "--heatmaps", "png", "--heatmaps-dir", "heat"]
    words += ["--heatmaps-of", "all", "--batch-size", "2", "--workers", "1", "--rows-per-part", "2", "--device", "cpu"]
    words += ["--views", "mirror"]
    assert main(["predict", "--checkpoint", checkpoint, "--input", "scans", "--out", "t.parquet", *words]) == 0
    table = pq.read_table("t.parquet")
    assert [name for name in table.schema.names if name.startswith("p_")] == ["p_mass", "p_nodule"]
    assert json.loads(table.schema.metadata[b"pylon_zoo"])["options"]["views"] == "mirror"
    assert len(list(Path("heat").rglob("*.png"))) == 2 * 4
    assert [len(files) for files in table["heatmaps"].to_pylist() if files is not None] == [2] * 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--labels", "mas"], "Did you mean 'mass'"),
        (["--threshold", "2"], "threshold=2"),
        (["--heatmaps", "png"], "--heatmaps-dir"),
        (["--heatmaps", "gif"], "--heatmaps"),
        (["--rows-per-part", "0"], "--rows-per-part"),
        (["--out", "scans/0.png/t.parquet"], "cannot be a folder"),
        (["--out", "scans"], "is a folder"),
        (["--input", "list.csv"], "list.csv does not exist"),
        (["--pretrained", "tag"], "--pretrained"),
    ],
)
def test_usage_errors(
    words: list[str], message: str, folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.parent.rglob("*"))
    assert main(["predict", "--checkpoint", checkpoint, "--input", "scans", "--out", "t.parquet", *words]) == 2
    assert message in capsys.readouterr().err
    assert sorted(folder.parent.rglob("*")) == before


def test_an_optimized_copy_says_the_same(folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["predict", "--checkpoint", checkpoint, "--input", "scans", "--quiet"]
    tables = []
    for number, option in enumerate(([], ["--optimize"], ["--optimize", "bfloat16"])):
        assert main([*words, "--out", f"{number}.parquet", *option]) == 0
        tables.append(pq.read_table(f"{number}.parquet").to_pandas())
    plain, exact, rounded = (table.filter(like="p_").to_numpy() for table in tables)
    assert np.nanmax(abs(exact - plain)) < 1e-4
    assert 0 < np.nanmax(abs(rounded - plain)) < 0.05
    assert main([*words, "--out", "1.parquet", "--optimize", "bfloat16"]) == 2
    assert "optimized" in capsys.readouterr().err


def test_another_run_is_refused(folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["predict", "--checkpoint", checkpoint, "--input", "scans", "--out", "t.parquet"]
    assert main(words) == 0
    assert main([*words, "--threshold", "0.25"]) == 2
    assert "differs in options.thresholds ([0.5, 0.5, 0.5] there, [0.25, 0.25, 0.25] now)" in capsys.readouterr().err


def test_without_pyarrow_it_says_how_to_install_it(
    folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert main(["predict", "--checkpoint", checkpoint, "--input", "scans", "--out", "t.parquet"]) == 2
    assert 'pip install "pylon-zoo[predict]"' in capsys.readouterr().err


def test_an_address_without_its_driver_is_one_sentence(
    folder: Path, checkpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fsspec = pytest.importorskip("fsspec.registry")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(fsspec._registry, "s3", raising=False)
    for given, out in (("s3://bucket/scans", "table.parquet"), ("scans", "s3://bucket/table.parquet")):
        assert main(["predict", "--checkpoint", checkpoint, "--input", given, "--out", out]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "needs the package 's3fs', which is not installed. Install it with: pip install s3fs" in said
    assert [path.name for path in folder.parent.iterdir()] == ["scans"]


def test_a_folder_elsewhere_is_predicted_into_a_file_elsewhere(
    folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in folder.iterdir():
        remote.upload(path, f"memory://cli/scans/{path.name}")
    words = ["--input", "memory://cli/scans", "--out", "memory://cli/found.parquet"]
    assert main(["predict", "--checkpoint", checkpoint, *words]) == 0
    assert capsys.readouterr().out == "Predicted 4 of 5 images. Written: memory://cli/found.parquet\n"
    found = pq.read_table(io.BytesIO(remote.read_bytes("memory://cli/found.parquet")))
    assert found["path"].to_pylist()[:2] == ["memory://cli/scans/0.png", "memory://cli/scans/1.jpg"]
    remote.remove("memory://cli")
