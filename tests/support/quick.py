"""Values of a parametrized test: a few at once, the others with the slow tests."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def slow_but(quick: Collection[str], names: Iterable[str]) -> list[Any]:
    """The names as values for `pytest.mark.parametrize`, marked slow unless they are quick."""
    return [pytest.param(name, marks=[] if name in quick else [pytest.mark.slow]) for name in names]
