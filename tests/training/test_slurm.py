"""The script for Slurm clusters, with a Slurm that is this machine: its processes learn what one does."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from processes import free_port
from systems import posix_only

from pylon_zoo.weights.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "slurm_train.sh"
SRUN = """#!/bin/bash
pids=()
for ((task = 0; task < SLURM_NTASKS; task++)); do
    SLURM_PROCID=$task SLURM_LOCALID=$task "$@" & pids+=($!)
done
trap 'kill -TERM "${pids[@]}"' TERM
for pid in "${pids[@]}"; do wait "$pid" || exit; done
"""
SCONTROL = """#!/bin/bash
if [ "$1" = show ]; then echo 127.0.0.1; else echo "$@" >> requeued; fi
"""
RECIPE = """
[model]
architecture = "pylon_test_convnext"
[model.options]
norm = "group"
[data]
name = "phantom"
size = 32
augmentation = "affine"
[data.options]
size = 32
count = 20
[optimizer]
lr = 1e-3
[schedule]
name = "cosine"
max_epochs = 2
[loop]
batch_size = 8
"""


@pytest.fixture
def slurm(tmp_path: Path):
    """`slurm(tasks, run)`: the script as a job of so many processes, started."""
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(text, encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)

    def start(tasks: int, run: str) -> subprocess.Popen[str]:
        job = {
            "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "SLURM_JOB_ID": str(free_port()),
            "SLURM_JOB_NODELIST": "here",
            "SLURM_JOB_NUM_NODES": "1",
            "SLURM_NTASKS": str(tasks),
            "SLURM_CPUS_PER_TASK": "0",
        }
        words = ["bash", str(SCRIPT), "recipe.toml", "phantom", run, "--device", "cpu", "--no-report", "--quiet"]
        return subprocess.Popen(
            words, cwd=tmp_path, env={**os.environ, **job}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    return start


@posix_only
def test_two_processes_on_gloo_learn_what_one_does(slurm, tmp_path: Path) -> None:
    losses = []
    for tasks in (1, 2):
        said, _ = (job := slurm(tasks, f"run-{tasks}")).communicate(timeout=600)
        assert job.returncode == 0, said
        with (tmp_path / f"run-{tasks}" / "metrics.csv").open(newline="", encoding="utf-8") as file:
            losses.append([float(row[column]) for row in csv.DictReader(file) for column in ("train_loss", "val_loss")])
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    one, two = (load_checkpoint(tmp_path / f"run-{tasks}").state_dict() for tasks in (1, 2))
    for name, value in one.items():
        assert two[name].flatten().tolist() == pytest.approx(value.flatten().tolist(), abs=1e-3), name


@posix_only
def test_before_its_time_is_up_a_job_is_queued_again(slurm, tmp_path: Path) -> None:
    job = slurm(1, "run")
    try:
        until = time.monotonic() + 300
        while not (tmp_path / "run" / "recipe.toml").exists():
            assert time.monotonic() < until, "the training has not begun"
            time.sleep(0.1)
        job.send_signal(signal.SIGUSR1)
        said, _ = job.communicate(timeout=300)
    finally:
        job.kill()
    assert "The time is nearly up: queued again." in said
    assert (tmp_path / "requeued").read_text(encoding="utf-8").startswith("requeue ")


@posix_only
def test_what_is_missing_is_said(tmp_path: Path) -> None:
    words = ["bash", str(SCRIPT), "recipe.toml"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "RECIPE NAME:DIR RUN" in done.stderr
