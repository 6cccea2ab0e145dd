"""Several processes fill a grid as one does: the same figures, one file, failures named, each GPU in its turn."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import pylon_zoo.experiments.jobs as jobs
from pylon_zoo.errors import DataError, PylonZooError
from pylon_zoo.experiments.grid import grid_from_table
from pylon_zoo.experiments.jobs import fill_at_once
from pylon_zoo.experiments.reproduce import Failure, Laboratory
from pylon_zoo.experiments.results import FIGURES, read_rows
from tests.experiments.test_reproduce import TINY


@pytest.fixture
def grid():
    rows = [
        {"name": "CAM", "recipe": "phantom_encoder", "settings": TINY},
        {"name": "CAM, Grad-CAM", "recipe": "phantom_encoder", "settings": TINY, "method": "grad_cam"},
        {"name": "Broken", "recipe": "phantom_pylon", "settings": TINY, "start": "phantom_encoder"},
    ]
    # The validation images stand in for the 1,000 test images, which other processes would draw in full.
    return grid_from_table("tiny", {"title": "Tiny", "data": "phantom", "split": "val", "rows": rows})


@pytest.fixture
def laboratory(grid, tmp_path):
    def make(name, **options):
        said = []
        made = Laboratory(grid, tmp_path / name, tmp_path / f"{name}.csv", device="cpu", say=said.append, **options)
        made.said = said
        return made

    return make


@pytest.mark.slow
def test_two_processes_give_the_figures_of_one(laboratory, grid, tmp_path):
    absent = {"phantom_encoder": str(tmp_path / "absent")}  # so that the third row fails in its process
    alone, together = (laboratory(name, starts=absent) for name in ("alone", "together"))
    expected = alone.fill(grid.rows, [0, 1])
    failures = fill_at_once(together, grid.rows, [0, 1], jobs=2)
    assert sorted((f.row, f.seed) for f in failures) == [("Broken", 0), ("Broken", 1)]
    assert {str(f.error) for f in failures} == {str(f.error) for f in expected}
    assert sum("absent" in text for text in together.said) == 2

    def figures(made):
        return sorted(tuple(row[name] for name in ("row", "seed", *FIGURES)) for row in read_rows(made.results))

    assert len(figures(alone)) == 4
    assert figures(together) == figures(alone)

    together.said.clear()
    assert fill_at_once(together, grid.rows[:2], [0, 1], jobs=2) == []
    assert (together.said, len(read_rows(together.results))) == ([], 4)


def test_where_the_start_cannot_be_trained_its_rows_fail_and_nothing_else(laboratory, grid, monkeypatch):
    def no_start(self, name, settings, seed, start=""):
        raise DataError(f"no {name}")

    monkeypatch.setattr(Laboratory, "trained", no_start)  # in this process, which trains what others start from
    made = laboratory("runs")
    failures = fill_at_once(made, grid.rows[2:], [4], jobs=2)
    assert [(f.row, f.seed, str(f.error)) for f in failures] == [("Broken", 4, "no phantom_encoder")]
    assert made.said == ["Broken, seed 4: no phantom_encoder"]


def test_a_start_that_fails_is_tried_once(laboratory, grid, monkeypatch):
    tried = []

    def no_start(self, name, settings, seed, start=""):
        tried.append(name)
        raise DataError(f"no {name}")

    monkeypatch.setattr(Laboratory, "trained", no_start)
    assert len(fill_at_once(laboratory("runs"), grid.rows[2:], range(3), jobs=2)) == 3
    assert tried == ["phantom_encoder"]


class Deadly:
    """Ends the process that unpickles it, as the kernel does when memory runs out."""

    def __reduce__(self):
        return os._exit, (1,)


@pytest.mark.slow
def test_a_process_that_is_killed_ends_it_in_one_sentence(laboratory, grid):
    with pytest.raises(PylonZooError, match=r"One of 2 processes was ended from outside.*fewer --jobs"):
        fill_at_once(laboratory("runs", data=(Deadly(),)), grid.rows[:1], [0], jobs=2)


def test_a_failure_comes_back_from_its_process():
    failure = pickle.loads(pickle.dumps(Failure("CAM", 3, DataError("page 7 is missing"))))
    assert (failure.row, failure.seed, str(failure.error)) == ("CAM", 3, "page 7 is missing")


@pytest.mark.parametrize(
    ("gpus", "asked", "expected"),
    [
        (0, None, [None, None, None]),
        (1, "cuda", ["cuda", "cuda", "cuda"]),
        (2, "cuda", ["cuda:0", "cuda:1", "cuda:0"]),
        (2, None, ["cuda:0", "cuda:1", "cuda:0"]),
        (2, "cuda:1", ["cuda:1", "cuda:1", "cuda:1"]),
        (2, "cpu", ["cpu", "cpu", "cpu"]),
    ],
)
def test_gpus_are_taken_in_turn(laboratory, monkeypatch, gpus, asked, expected):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    current = []
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    made, count, devices = laboratory("runs"), multiprocessing.get_context("spawn").Value("i", 0), []
    made.device = asked
    for _ in expected:
        jobs._begin(made, count, 3)
        devices.append(jobs._laboratory.device)
    assert devices == expected
    assert current == ([0, 1, 0] if gpus > 1 and asked in (None, "cuda") else [])


def pretend_gpus(count: int, folder: Path) -> PretendGpus:
    """In the process that unpickles one: so many GPUs, of which the current one is remembered."""
    torch.cuda.device_count = lambda: count
    torch.cuda.set_device = lambda index: os.environ.update(CURRENT=str(index))
    return PretendGpus(count, folder)


@dataclass(frozen=True)
class PretendGpus:
    count: int
    folder: Path

    def __reduce__(self):
        return pretend_gpus, (self.count, self.folder)


class ToldDevice(Laboratory):
    """Measures nothing: every row fails with the process, and the device that would train and judge there."""

    def measure(self, row, seed):
        (pretended,) = self.data
        (pretended.folder / str(os.getpid())).touch()
        deadline = time.monotonic() + 60
        while len(list(pretended.folder.iterdir())) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)  # until all processes have something to do, so that none takes it all
        raise DataError(f"{os.getpid()} {self._how['device']} {os.environ['CURRENT']}")


@pytest.mark.slow
def test_processes_of_their_own_have_a_gpu_each(grid, tmp_path):
    (tmp_path / "met").mkdir()
    pretended = PretendGpus(2, tmp_path / "met")
    made = ToldDevice(grid, tmp_path / "runs", tmp_path / "none.csv", data=(pretended,), say=lambda text: None)
    failures = fill_at_once(made, grid.rows[:1], range(6), jobs=3)
    assert len(failures) == 6
    devices = {}
    for failure in failures:
        process, device, current = str(failure.error).split()
        assert device == f"cuda:{current}"
        devices.setdefault(process, set()).add(device)
    assert all(len(one) == 1 for one in devices.values()), "a process keeps its GPU"
    assert sorted(device for (device,) in devices.values()) == ["cuda:0", "cuda:0", "cuda:1"]
