"""From a heatmap to one logit per class.

A new pooling is one class and one line in `POOLINGS`; its keyword arguments are what `pooling_kwargs` takes.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pylon_zoo.errors import ConfigError, UnknownNameError, suggest


class MaxPooling(nn.Module):
    """Global maximum: the class is where its brightest cell is (paper, "Proposed model"; Figure 1B, Global Maxpool).

    Example:
        >>> import torch
        >>> MaxPooling()(torch.tensor([[[[0.0, 3.0], [1.0, 2.0]]]]))
        tensor([[3.]])
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Pool maps (N, C, h, w) to (N, C)."""
        return maps.amax(dim=(2, 3))


class AveragePooling(nn.Module):
    """Global average: the original CAM (Zhou et al. 2016).

    Example:
        >>> import torch
        >>> AveragePooling()(torch.tensor([[[[0.0, 3.0], [1.0, 2.0]]]]))
        tensor([[1.5000]])
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Pool maps (N, C, h, w) to (N, C)."""
        return maps.mean(dim=(2, 3))


class TopKPooling(nn.Module):
    """Mean of the highest cells: between maximum and average (Durand et al. 2016, WELDON, without negative evidence).

    Args:
        k: how many cells, a whole number from 1 up (a smaller map is averaged), or a share of the map, 0 < k < 1; at
            least one cell. A share means the same at every input size.

    Raises:
        ConfigError: `k` is neither.

    Example:
        >>> import torch
        >>> TopKPooling(k=2)(torch.tensor([[[[0.0, 3.0], [1.0, 2.0]]]]))
        tensor([[2.5000]])
    """

    def __init__(self, k: float = 0.01) -> None:
        super().__init__()
        if isinstance(k, bool) or not (0 < k < 1 or (k >= 1 and k == int(k))):
            raise ConfigError(f"k={k!r} is not valid for topk pooling; give a number of cells, or a share below 1.")
        self.k = k

    def forward(self, maps: Tensor) -> Tensor:
        """Pool maps (N, C, h, w) to (N, C)."""
        cells = maps.flatten(2)
        total = cells.shape[2]
        count = min(int(self.k), total) if self.k >= 1 else max(1, round(self.k * total))
        return cells.topk(count, dim=2).values.mean(dim=2)


class LsePooling(nn.Module):
    """Log-sum-exp: maximum as `r` grows, average as it goes to 0 (Wang et al. 2017, ChestX-ray8, equation 1).

    `x = m + log(mean(exp(r (x - m)))) / r` with m the maximum, here over logits.

    Args:
        r: sharpness, above 0; 10 is what Wang et al. use.

    Example:
        >>> import torch
        >>> LsePooling(r=1.0)(torch.tensor([[[[0.0, 3.0], [1.0, 2.0]]]]))
        tensor([[2.0539]])
    """

    def __init__(self, r: float = 10.0) -> None:
        super().__init__()
        _check_number("r", r, above=True)
        self.r = r

    def forward(self, maps: Tensor) -> Tensor:
        """Pool maps (N, C, h, w) to (N, C)."""
        return _log_mean_exp(maps, self.r)


class LseLbaPooling(nn.Module):
    """Log-sum-exp with lower-bounded adaptation: the sharpness is learnt (Yao et al. 2018, "LSE-LBA").

    The same as `LsePooling` with r = r0 + exp(beta), beta a parameter that starts at 0.

    Args:
        r0: lower bound of the sharpness, from 0 up.

    Attributes:
        beta: () the learnt parameter.

    Example:
        >>> import torch
        >>> LseLbaPooling(r0=0.0)(torch.tensor([[[[0.0, 3.0], [1.0, 2.0]]]])).item()  # r = exp(0) = 1
        2.0538...
    """

    def __init__(self, r0: float = 5.0) -> None:
        super().__init__()
        _check_number("r0", r0, above=False)
        self.r0 = r0
        self.beta = nn.Parameter(torch.zeros(()))

    def forward(self, maps: Tensor) -> Tensor:
        """Pool maps (N, C, h, w) to (N, C)."""
        return _log_mean_exp(maps, self.r0 + self.beta.to(maps.dtype).exp())


class MilPooling(nn.Module):
    """Multiple instance learning: the class is there unless it is absent from every cell (Li et al. 2018, equation 1).

    With p the cells' probabilities, `P = 1 - prod(1 - (1 - floor) p)`; returned is the logit of P. The factors are
    kept above `floor` so that the product of many does not vanish. Computed in log space: values and gradients are
    finite for any finite logit.

    Args:
        floor: smallest factor of the product, 0 < floor < 1; 0.98 in the paper.

    Raises:
        ConfigError: the floor does not lie between 0 and 1.

    Example:
        >>> import torch
        >>> MilPooling()(torch.zeros(1, 1, 20, 20)).sigmoid()  # 1 - 0.99 ** 400
        tensor([[0.9820]])
    """

    def __init__(self, floor: float = 0.98) -> None:
        super().__init__()
        if not 0 < floor < 1:
            raise ConfigError(f"floor={floor!r} is not valid for mil pooling; give a number between 0 and 1.")
        self.floor = floor

    def forward(self, maps: Tensor) -> Tensor:
        """Pool maps (N, C, h, w) to (N, C)."""
        log_part = math.log1p(-self.floor) + F.logsigmoid(maps.flatten(2))  # log((1 - floor) p), always below 0
        log_absence = log_part + _log_ratio(log_part)  # log(-log(1 - (1 - floor) p))
        # u = -log prod(…); the logit of 1 - exp(-u) is log(expm1(u)).
        return _log_expm1(log_absence.logsumexp(dim=2))


def _log_ratio(log_x: Tensor) -> Tensor:
    """log(-log(1 - x) / x) of log x < 0: 0 in the limit, where both sides vanish."""
    x = log_x.exp().clamp(min=torch.finfo(log_x.dtype).tiny)
    return (-torch.log1p(-x) / x).log()


def _log_expm1(log_u: Tensor) -> Tensor:
    """log(exp(u) - 1) of log u, without overflow for large u or cancellation for small."""
    small = log_u < 0
    # Each branch gets an input that is safe for it: the gradient of what `where` drops must be finite too.
    low = torch.where(small, log_u, torch.zeros_like(log_u))
    high = torch.where(small, torch.zeros_like(log_u), log_u).exp()
    tiny = torch.finfo(log_u.dtype).tiny
    u = low.exp().clamp(min=tiny)
    return torch.where(small, low + (u.expm1() / u).log(), high + torch.log1p(-(-high).exp()))


def _log_mean_exp(maps: Tensor, r: float | Tensor) -> Tensor:
    cells = maps.flatten(2)
    return ((cells * r).logsumexp(dim=2) - math.log(cells.shape[2])) / r


def _check_number(name: str, value: float, *, above: bool) -> None:
    if isinstance(value, bool) or not (value > 0 or (value == 0 and not above)) or value == math.inf:
        raise ConfigError(f"{name}={value!r} is not valid; give a number {'above 0' if above else 'from 0 up'}.")


POOLINGS: dict[str, type[nn.Module]] = {
    "max": MaxPooling,
    "avg": AveragePooling,
    "topk": TopKPooling,
    "lse": LsePooling,
    "lse_lba": LseLbaPooling,
    "mil": MilPooling,
}
"""Name, as `pooling=` takes it → class."""


def build_pooling(name: str, **options: Any) -> nn.Module:
    """The pooling of that name.

    Args:
        name: a key of `POOLINGS`.
        options: its keyword arguments.

    Raises:
        UnknownNameError: no pooling, or no option of it, has that name.
        ConfigError: an option has a value that cannot work.

    Example:
        >>> build_pooling("topk", k=4).k
        4
    """
    if name not in POOLINGS:
        raise UnknownNameError(
            f"Unknown pooling {name!r}.{suggest(str(name), POOLINGS)} Valid for pooling=: {', '.join(POOLINGS)}."
        )
    known = list(inspect.signature(POOLINGS[name]).parameters) if "__init__" in vars(POOLINGS[name]) else []
    for option in options:
        if option not in known:
            raise UnknownNameError(
                f"Unknown option {option!r} in pooling_kwargs of {name} pooling.{suggest(option, known)} "
                f"It takes {', '.join(known) or 'none'}."
            )
    return POOLINGS[name](**options)
