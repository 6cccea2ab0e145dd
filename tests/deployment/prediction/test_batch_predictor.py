"""Batches that something else shares out: the same rows as of one process, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prediction_inputs import encoded, environment, write_folder
from systems import posix_only

from pylon_zoo.deployment import BatchPredictor
from pylon_zoo.deployment.prediction.parquet_source import Columns
from pylon_zoo.deployment.prediction.rows import METADATA_KEY
from pylon_zoo.errors import ConfigError, UnknownNameError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "scans", 12, broken=(4,), sizes=3)


@pytest.fixture
def make(checkpoint: str):
    """A predictor that gives the same bits whatever images stand in a batch."""
    return lambda **options: BatchPredictor(**{"checkpoint": checkpoint, "batch_size": 1, "device": "cpu", **options})


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Rows by path, which say nothing of the order."""
    return sorted(table.to_pylist(), key=lambda row: row["path"])


def bytes_of(folder: Path) -> pa.Table:
    paths = sorted(folder.iterdir())
    return pa.table({"bytes": [path.read_bytes() for path in paths], "path": list(map(str, paths))})


def test_bytes_and_paths_give_the_rows_of_one_process(folder: Path, predict, make) -> None:
    expected = rows_of(predict(folder, batch_size=1))
    content = bytes_of(folder)
    for batch in (content, content.select(["path"]), content.slice(3).select(["path"])):
        found = make()(batch)
        wanted = [row for row in expected if row["path"] in batch["path"].to_pylist()]
        for ours, theirs in zip(rows_of(found), wanted, strict=True):
            assert ours["error"] is not None if theirs["error"] else ours == theirs
        assert found["path"].to_pylist() == batch["path"].to_pylist()


def test_tables_of_images(predict, make, tmp_path: Path) -> None:
    images = [{"bytes": encoded(1), "path": "7"}, {"bytes": None, "path": "8"}]
    pq.write_table(pa.table({"image": images, "table": ["t", "t"]}), tmp_path / "t.parquet")
    found = make(source="table")(pq.read_table(tmp_path / "t.parquet"))
    expected = predict(tmp_path / "t.parquet", batch_size=1).to_pylist()
    assert found["source"].to_pylist() == ["t", "t"]
    assert {**found.to_pylist()[0], "source": None} == {**expected[0], "source": None}
    assert found["error"].to_pylist()[1] == "'8' does not exist: check the path."
    found = make()(pa.table({"image": [None, encoded(1)], "id": [7, 8]}))
    assert found["error"].to_pylist() == ["'7' has no image: fill it in.", None]


def test_every_batch_has_the_same_schema(folder: Path, make) -> None:
    predictor, content = make(labels=["mass"], threshold=0.3), bytes_of(folder)
    some, none = predictor(content), predictor(content.slice(0, 0))
    assert some.schema.equals(none.schema, check_metadata=True)
    assert len(none) == 0
    made = json.loads(some.schema.metadata[METADATA_KEY])
    assert (made["options"]["labels"], made["options"]["thresholds"]) == (["mass"], [0.3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checkpoint": None}, "needs a model or a checkpoint"),
        ({"model": "pylon_resnet18.phantom_cxr"}, "needs a model or a checkpoint"),
        ({"optimized": "float61"}, "is not one of float32, bfloat16"),
    ],
)
def test_options_that_cannot_work(options: dict[str, Any], message: str, make) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        make(**options)


@pytest.mark.parametrize(
    ("columns", "source", "message"),
    [
        (Columns("scan"), None, "The batch has no column 'scan' of image bytes"),
        (Columns(id="nam"), None, "The batch has no column 'nam'"),
        (Columns(), None, "The batch has no column that names its images"),
        (Columns(id="number"), "table", "The batch has no column 'table', which source="),
    ],
)
def test_columns_that_are_not_there(columns: Columns, source: str | None, message: str, make) -> None:
    with pytest.raises(ConfigError, match=message):
        make(columns=columns, source=source)(pa.table({"bytes": [encoded(1)], "number": [1]}))


TRIES = 5
EXAMPLE = Path(__file__).parents[3] / "examples" / "predict_on_ray.py"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Ray on this machine, with two workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else a token is written into the home folder
        ray = pytest.importorskip("ray")
        for attempt in range(TRIES):
            try:
                ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
                break
            except Exception:  # Ray's own word for a machine so busy that its processes do not start in half a minute
                ray.shutdown()
                if attempt == TRIES - 1:
                    raise
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
        ray.shutdown()


@pytest.mark.slow
@posix_only
def test_ray_data_gives_the_rows_of_one_process_though_a_worker_is_killed(
    cluster: Any, folder: Path, predict, checkpoint: str, tmp_path: Path
) -> None:
    class Mortal(BatchPredictor):
        """Kills its process when it meets a certain image for the first time."""

        def __call__(self, batch: pa.Table) -> pa.Table:
            deaths = tmp_path / "deaths"
            if not deaths.exists() and any(path.endswith("/7.jpg") for path in batch["path"].to_pylist()):
                deaths.write_text(str(os.getpid()), encoding="utf-8")
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(batch)

    expected = rows_of(predict(folder, batch_size=1))
    for actor, name in ((BatchPredictor, "undisturbed"), (Mortal, "killed")):
        images = cluster.data.read_binary_files(str(folder), include_paths=True, override_num_blocks=6)
        images.map_batches(
            actor,
            fn_constructor_kwargs={"checkpoint": checkpoint, "batch_size": 1, "device": "cpu"},
            batch_format="pyarrow",
            batch_size=2,
            compute=cluster.data.ActorPoolStrategy(size=2),
            num_cpus=0.5,  # else the two reserve both cores, and nobody may read
        ).write_parquet(str(tmp_path / name))
        found = rows_of(pa.concat_tables(map(pq.read_table, sorted((tmp_path / name).glob("*.parquet")))))
        assert [row["path"] for row in found] == [row["path"] for row in expected]
        assert [row for row in found if not row["error"]] == [row for row in expected if not row["error"]]
    assert (tmp_path / "deaths").exists()


@pytest.mark.parametrize(
    "kind", [pytest.param("parquet", marks=pytest.mark.slow), pytest.param("folder", marks=pytest.mark.sweep)]
)
@posix_only
def test_the_example_reads_a_folder_and_parquet(
    kind: str, cluster: Any, folder: Path, predict, checkpoint: str, tmp_path: Path
) -> None:
    given, out = {"folder": folder, "parquet": tmp_path / "images.parquet"}[kind], tmp_path / "found"
    pq.write_table(bytes_of(folder), tmp_path / "images.parquet")
    words = ["--input", given, "--out", out, "--checkpoint", checkpoint, "--workers", "1", "--batch-size", "1"]
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), *map(str, words)],
        env={**environment(), "RAY_ADDRESS": cluster.get_runtime_context().gcs_address},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    found = rows_of(pa.concat_tables(map(pq.read_table, out.glob("*.parquet"))))
    assert len(found) == 12
    expected = [row for row in rows_of(predict(folder, batch_size=1)) if not row["error"]]
    assert [row for row in found if not row["error"]] == expected
