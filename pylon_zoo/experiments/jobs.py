"""A grid filled by several processes at once: small models that leave a GPU idle, or a GPU for each."""

from __future__ import annotations

import multiprocessing
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from typing import Any

import torch

from pylon_zoo.errors import PylonZooError
from pylon_zoo.experiments.grid import Row
from pylon_zoo.experiments.reproduce import Failure, Laboratory, Line

Unit = tuple[tuple[Row, ...], int]
"""Rows that share a run, and its seed: what one process does at a time."""


def fill_at_once(laboratory: Laboratory, rows: Sequence[Row], seeds: Sequence[int], jobs: int) -> list[Failure]:
    """`Laboratory.fill` by so many processes.

    Runs that others start from are trained first, one after the other. Each process draws its own phantoms, and on a
    machine with several GPUs takes one of them, in turn, unless the laboratory names one.

    Args:
        laboratory: its results are appended here, so in this process alone.
        rows, seeds: what to fill, all rows of a seed first.
        jobs: processes.

    Returns:
        What failed; the rest was done nevertheless.
    """
    units = list(units_of(laboratory.missing(rows, seeds)))
    started, failures = [], []
    for unit in units:
        try:
            for start in {row.start for row in unit[0] if row.start and row.start not in laboratory.starts}:
                laboratory.trained(start, (), 0)
        except PylonZooError as error:
            failures += [Failure(row.name, unit[1], error) for row in unit[0]]
        else:
            started.append(unit)
    for failure in failures:
        laboratory.keep(failure)
    spawn = multiprocessing.get_context("spawn")  # a forked process could not use a GPU that this one has used
    with ProcessPoolExecutor(
        min(jobs, max(len(started), 1)),
        spawn,
        _begin,
        (replace(laboratory, say=_silent, progress=False, _opened=OrderedDict()), spawn.Value("i", 0), jobs),
    ) as pool:
        try:
            for done in as_completed([pool.submit(_work, *unit) for unit in started]):
                for outcome in done.result():
                    laboratory.keep(outcome)
                    failures += [outcome] if isinstance(outcome, Failure) else []
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return failures


def units_of(missing: Iterator[tuple[Row, int]]) -> Iterator[Unit]:
    """Rows and seeds, those together that share a run, in the order of the first.

    Example:
        >>> cam, grad_cam = Row("CAM", "cam"), Row("Grad-CAM", "cam", method="grad_cam")
        >>> [(len(rows), seed) for rows, seed in units_of(iter([(cam, 0), (grad_cam, 0), (cam, 1)]))]
        [(2, 0), (1, 1)]
    """
    found: dict[Any, list[Row]] = {}
    for row, seed in missing:
        found.setdefault((row.recipe, row.settings, seed), []).append(row)
    for (*_, seed), rows in found.items():
        yield tuple(rows), seed


def _silent(text: str) -> None:
    """The processes say nothing; the first one says what is done."""


_laboratory: Laboratory
"""Of a process among several, from `_begin` on."""


def _begin(laboratory: Laboratory, count: Any, jobs: int) -> None:
    """Set this process up: its share of the processor, and of the GPUs."""
    global _laboratory
    with count.get_lock():
        number, count.value = count.value, count.value + 1
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
    gpus = torch.cuda.device_count()
    if laboratory.device in (None, "cuda") and gpus > 1:
        laboratory = replace(laboratory, device=f"cuda:{number % gpus}")
    _laboratory = laboratory


def _work(rows: Sequence[Row], seed: int) -> list[Line | Failure]:
    """All rows of one run."""
    return [_laboratory.attempt(row, seed) for row in rows]
