"""Thresholds and calibration from one split, judged on another; what was fitted where stays written beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pylon_zoo.errors import ConfigError
from pylon_zoo.evaluation.evaluate import Evaluation, Records
from pylon_zoo.files import finite
from pylon_zoo.metrics.calibration import BINS, Reliability
from pylon_zoo.metrics.operating import GeometricMeanThresholds
from pylon_zoo.metrics.scaling import platt_scaling, temperature_scaling

SCALINGS = {"temperature": temperature_scaling, "platt": platt_scaling}


def decide(evaluation: Evaluation, fitting: Evaluation) -> Evaluation:
    """Fit thresholds on one evaluation and use them in another, of the same model and classes.

    Args:
        evaluation: of the split that is judged.
        fitting: of the split that the thresholds come from, validation as a rule.

    Returns:
        `evaluation` with `decided`, and for a model of independent classes `calibrated`.

    Raises:
        ConfigError: an evaluation without records.
    """
    judged, learnt = _records(evaluation), _records(fitting)
    fitted = GeometricMeanThresholds.fit(learnt.probabilities, learnt.targets, fitting.split)
    point = fitted.apply(judged.probabilities, judged.targets, evaluation.split)
    calibrated = {}
    if torch.equal(learnt.ranks.sigmoid(), learnt.probabilities):  # ranks are logits
        for name, fit in SCALINGS.items():
            scaled = fit(learnt.ranks, learnt.targets, fitting.split)(judged.ranks)
            calibrated[name] = Reliability.of(scaled, judged.targets).expected_error
    return replace(evaluation, decided=point, calibrated=calibrated)


def reliability(evaluation: Evaluation) -> Reliability:
    """Predictions by bins of probability."""
    records = _records(evaluation)
    return Reliability.of(records.probabilities, records.targets)


def _records(evaluation: Evaluation) -> Records:
    if evaluation.records is None:
        raise ConfigError(
            f"This evaluation of {evaluation.model} on {evaluation.dataset} holds no records of its images; take one "
            "that `evaluate` gives."
        )
    return evaluation.records


def chosen_on(evaluation: Evaluation) -> dict[str, Any]:
    """The thresholds and what they decide, for JSON.

    Raises:
        ConfigError: none were decided on.
    """
    point = evaluation.decided
    if point is None:
        raise ConfigError(f"This evaluation of {evaluation.model} has no thresholds; take one that `decide` gives.")

    def by_class(values: Tensor) -> dict[str, float]:
        return dict(zip(evaluation.classes, values.tolist(), strict=True))

    return {
        "operating_point": finite(
            {
                "rule": "largest geometric mean of sensitivity and specificity",
                "fitted_on": point.fitted_on,
                "applied_to": point.applied_to,
                "in_sample": point.in_sample,
                "thresholds": by_class(point.thresholds),
                "sensitivity": by_class(point.sensitivity.per_class),
                "specificity": by_class(point.specificity.per_class),
            }
        ),
        "calibration": finite(
            {
                "error": "expected calibration error, mean over classes",
                "bins": BINS,
                "fitted_on": point.fitted_on,
                "as_predicted": reliability(evaluation).expected_error.macro,
                **{name: error.macro for name, error in evaluation.calibrated.items()},
            }
        ),
    }
