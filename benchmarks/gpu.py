"""All that needs a GPU, within ten minutes: its tests, then the GPU's columns of the benchmarks.

    python benchmarks/gpu.py                # with a GPU; the figures go to benchmarks/results and docs/speed.md
    python benchmarks/gpu.py --trial        # the same on a CPU and a small network; leaves the repository alone

A step that fails, or takes longer than its share (in a trial four times that), stops none of the others; the exit code
is 1 if one did.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import run_all
import torch
from tables import PAGE

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Step:
    """One thing to run.

    Args:
        name: of the script in benchmarks/, or `test_gpu`.
        usual: its arguments on a GPU; in a trial a script has those of `run_all.SCRIPTS`.
        seconds: that it may take on a GPU.
    """

    name: str
    usual: str
    seconds: int


STEPS = (
    Step("test_gpu", "-q --durations=5", 200),
    Step("inference_speed", "--device cuda --rounds 7", 175),
    Step("training_speed", "--device cuda --rounds 5", 75),
    Step("augmenting", "--device cuda --rounds 3", 25),
    Step("attribution_speed", "--device cuda --rounds 2", 65),
    Step("scaling", "--device cuda --rounds 3", 60),
)
"""In order of what one would least do without; together ten minutes at most."""
PATIENCE = 4
"""How many times its share a step may take in a trial: a processor is slower, perhaps busy, and measures memory in
fresh processes."""


def command(step: Step, trial: bool, folder: Path, page: Path) -> list[str]:
    """What is run for a step: where its figures go is said in a trial, and left to the script otherwise."""
    if step.name == "test_gpu":
        return [sys.executable, "-m", "pytest", str(ROOT / "tests" / "test_gpu.py"), *step.usual.split()]
    return run_all.command(step.name, True, folder, page) if trial else run_all.script(step.name, step.usual)


def run(step: Step, trial: bool, folder: Path, page: Path) -> tuple[bool, str]:
    """Run a step; whether it succeeded, and how it ended in a few words."""
    print(f"== {step.name}", file=sys.stderr, flush=True)
    start, limit = perf_counter(), step.seconds * (PATIENCE if trial else 1)
    try:
        code = subprocess.run(command(step, trial, folder, page), cwd=ROOT, timeout=limit).returncode
    except subprocess.TimeoutExpired:
        return False, f"stopped after {limit} s"
    return code == 0, f"{perf_counter() - start:.0f} s, exit code {code}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run all, say how each ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trial", action="store_true", help="on the CPU, a small network, a temporary folder")
    trial = parser.parse_args(argv).trial
    if not trial and not torch.cuda.is_available():
        parser.error("PyTorch sees no GPU here. Add --trial to run the same steps on the CPU.")
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(shutil.copy(PAGE, scratch))
        ends = {step.name: run(step, trial, Path(scratch), page) for step in STEPS}
    print("\n".join(f"{name}: {end}" for name, (_, end) in ends.items()))
    return int(not all(done for done, _ in ends.values()))


if __name__ == "__main__":
    sys.exit(main())
