"""Which of several runs is published: the one that validated best, and why."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pylon_zoo.files import write_text
from pylon_zoo.training.run_folder import RunFolder

CRITERION = "val_loss"
"""What the best epoch of each run was chosen by as well."""


def choose(runs: Mapping[int, Path], file: Path) -> str:
    """Choose a run by its validation loss, the lowest of the lot, and write down why.

    Figures on test images play no part, or they would flatter what is published.

    Args:
        runs: seed → the folder of a finished run.
        file: JSON that is written: `seed`, `run`, `why`, and the validation figures of all.

    Returns:
        Why, in a sentence.
    """
    lines = [{"seed": seed, "run": str(run), **_validation(run)} for seed, run in runs.items()]
    best = min(lines, key=lambda line: math.inf if line[CRITERION] is None else line[CRITERION])
    why = _why(best, lines)
    chosen = {"seed": best["seed"], "run": best["run"], "why": why, "runs": lines}
    write_text(file, json.dumps(chosen, indent=2, ensure_ascii=False) + "\n")
    return why


def chosen(file: Path) -> dict[str, Any] | None:
    """What `choose` wrote; None before."""
    if not file.is_file():
        return None
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _validation(run: Path) -> dict[str, Any]:
    summary = RunFolder(run).summary() or {}
    return {name: value for name, value in summary.items() if name.startswith("val_") or name == "best_epoch"}


def _why(best: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> str:
    if len(lines) == 1:
        return f"seed {best['seed']} is the only run"
    others = ", ".join(f"{_figure(line)} of seed {line['seed']}" for line in lines if line is not best)
    return f"seed {best['seed']} has the lowest validation loss, {_figure(best)}, beside {others}"


def _figure(line: Mapping[str, Any]) -> str:
    value = line[CRITERION]
    return "none" if value is None else f"{value:.4f}"
