"""A grid filled by several processes at once: small models that leave a GPU idle, or a GPU for each."""

from __future__ import annotations

import multiprocessing
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
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

    Raises:
        PylonZooError: a process was killed.
    """
    units = list(units_of(laboratory.missing(rows, seeds)))
    broken: dict[str, PylonZooError] = {}
    for start in dict.fromkeys(rows[0].start for rows, _ in units):
        if start and start not in laboratory.starts:
            try:
                laboratory.trained(start, (), 0)
            except PylonZooError as error:
                broken[start] = error
    return laboratory.keep(_outcomes(laboratory, units, broken, jobs))


def _outcomes(
    laboratory: Laboratory, units: Sequence[Unit], broken: Mapping[str, PylonZooError], jobs: int
) -> Iterator[Line | Failure]:
    """Of every unit, as processes come to an end with it; at once of those whose start is broken."""
    for rows, seed in units:
        if error := broken.get(rows[0].start):
            yield from (Failure(row.name, seed, error) for row in rows)
    spawn = multiprocessing.get_context("spawn")  # a forked process could not use a GPU that this one has used
    theirs = replace(laboratory, say=_silent, progress=False, _opened=OrderedDict())
    with ProcessPoolExecutor(jobs, spawn, _begin, (theirs, spawn.Value("i", 0), jobs)) as pool:
        begun = [pool.submit(_work, *unit) for unit in units if unit[0][0].start not in broken]
        try:
            for done in as_completed(begun):
                yield from done.result()
        except BrokenProcessPool as error:
            raise PylonZooError(
                f"One of {jobs} processes was ended from outside, perhaps because memory ran out. Give fewer --jobs; "
                "what is in the results stays there, and runs that were cut short go on where they were."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)  # where not all was waited for; else there is nothing left


def units_of(missing: Iterator[tuple[Row, int]]) -> Iterator[Unit]:
    """Rows and seeds, those together that share a run, in the order of the first.

    Example:
        >>> cam, grad_cam = Row("CAM", "cam"), Row("Grad-CAM", "cam", method="grad_cam")
        >>> [(len(rows), seed) for rows, seed in units_of(iter([(cam, 0), (grad_cam, 0), (cam, 1)]))]
        [(2, 0), (1, 1)]
    """
    found: dict[Any, list[Row]] = {}
    for row, seed in missing:
        found.setdefault((row.recipe, row.settings, row.start, seed), []).append(row)
    for (*_, seed), rows in found.items():
        yield tuple(rows), seed


def _silent(text: str) -> None:
    """The processes say nothing; the first one says what is done."""


_laboratory: Laboratory
"""Of a process among several, from `_begin` on."""


def _begin(laboratory: Laboratory, count: Any, jobs: int) -> None:
    """Set this process up: its share of the processor, and of the GPUs that CUDA_VISIBLE_DEVICES lets it see."""
    global _laboratory
    with count.get_lock():
        number, count.value = count.value, count.value + 1
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
    gpus = torch.cuda.device_count()
    if laboratory.device in (None, "cuda") and gpus > 1:
        laboratory = replace(laboratory, device=f"cuda:{number % gpus}")
        torch.cuda.set_device(number % gpus)  # or what is meant for "cuda" would take memory of the first one
    _laboratory = laboratory


def _work(rows: Sequence[Row], seed: int) -> list[Line | Failure]:
    """All rows of one run."""
    return [_laboratory.attempt(row, seed) for row in rows]
