"""Every method on every kind of backbone that can carry it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier
from tests.models.contract.cases import CLASSES, KINDS, METHOD_OPTIONS, Build, Kind, can_carry


def marks(method: str, kind: str) -> list[pytest.MarkDecorator]:
    """Every method at once on one kind of backbone, and PYLON on all; the rest runs with the slow tests."""
    first = next(kind for kind in KINDS if can_carry(kind, method))
    return [] if kind == first or method == "pylon" else [pytest.mark.slow]


@pytest.fixture(
    params=[
        pytest.param(f"{method}_{kind}", marks=marks(method, kind))
        for method in METHOD_OPTIONS
        for kind in KINDS
        if can_carry(kind, method)
    ]
)
def case(request: pytest.FixtureRequest) -> tuple[str, Kind]:
    method, _, kind = request.param.partition("_")
    return method, KINDS[kind]


@pytest.fixture
def build(case: tuple[str, Kind]) -> Build:
    method, kind = case

    def build(**options: Any) -> HeatmapClassifier:
        torch.manual_seed(1)
        options = {"num_classes": CLASSES, "encoder_kwargs": kind.kwargs, **METHOD_OPTIONS[method], **options}
        return build_model(f"{method.partition('-')[0]}_{kind.name}", **options)

    return build
