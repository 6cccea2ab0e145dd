"""How far a number could be off: over seeds, and for a share of a few images. Resampling is in `bootstrap`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import torch
from torch import Tensor

from pylon_zoo.errors import ConfigError
from pylon_zoo.optional import require

LEVEL = 0.95


def student_t_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Interval for the mean over training runs: mean ± t · s / √n, s with n − 1. The paper's, with n = 5 seeds.

    Args:
        values: one per seed.
        level: in (0, 1).

    Returns:
        Low and high end; both NaN for fewer than two values, of which no spread can be known.

    Raises:
        ConfigError: the level is no share.
        MissingDependencyError: SciPy is not installed.

    Example:
        >>> [round(end, 3) for end in student_t_interval([0.60, 0.62, 0.61, 0.63, 0.59])]  # 0.61 ± 2.776 · 0.0158 / √5
        [0.59, 0.63]
    """
    _check(level)
    if len(values) < 2:
        return math.nan, math.nan
    runs = torch.tensor(list(values), dtype=torch.float64)
    reach = require("scipy.stats", extra="metrics").t.ppf((1 + level) / 2, len(runs) - 1)
    half = float(reach * runs.std(correction=1) / math.sqrt(len(runs)))
    return float(runs.mean()) - half, float(runs.mean()) + half


def wilson_interval(hits: Tensor, cases: Tensor, level: float = LEVEL) -> tuple[Tensor, Tensor]:
    """Interval for a share of independent cases, such as a point accuracy (Wilson 1927): never outside [0, 1].

    Args:
        hits: any shape; how many of the cases.
        cases: the same shape.
        level: in (0, 1).

    Returns:
        Low and high ends, float64, NaN where there are no cases.

    Raises:
        ConfigError: the level is no share.

    Example:
        >>> [round(end.item(), 3) for end in wilson_interval(torch.tensor(38), torch.tensor(79))]  # 79 nodules
        [0.374, 0.589]
    """
    _check(level)
    z = NormalDist().inv_cdf((1 + level) / 2)
    n = cases.double()
    share = hits.double() / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)).sqrt()
    return (middle - half).clamp(min=0), (middle + half).clamp(max=1)


def _check(level: float) -> None:
    if not 0 < level < 1:
        raise ConfigError(f"level={level} must lie between 0 and 1, such as 0.95.")
