"""Thresholds and calibration from one split, judged on another; what was fitted where stays written beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pylon_zoo.errors import ConfigError
from pylon_zoo.evaluation.intervals import ENDS, intervals
from pylon_zoo.evaluation.result import Evaluation, Records
from pylon_zoo.files import finite
from pylon_zoo.metrics.calibration import BINS, Reliability
from pylon_zoo.metrics.operating import GeometricMeanThresholds
from pylon_zoo.metrics.outcomes import Scored
from pylon_zoo.metrics.resampling import CalibrationError, Mean, Statistic
from pylon_zoo.metrics.result import MetricResult
from pylon_zoo.metrics.scaling import platt_scaling, temperature_scaling

SCALINGS = {"temperature": temperature_scaling, "platt": platt_scaling}


def decide(evaluation: Evaluation, fitting: Evaluation) -> Evaluation:
    """Fit thresholds on one evaluation and use them in another, of the same model and classes.

    Args:
        evaluation: of the split that is judged.
        fitting: of the split that the thresholds come from, validation as a rule.

    Returns:
        `evaluation` with `decided`, for a model of independent classes `calibrated`, and the intervals of both: they
        are about the images that are judged, with what was fitted as it is.

    Raises:
        ConfigError: an evaluation without records.
    """
    judged, learnt = records_of(evaluation), records_of(fitting)
    told, truth = judged.probabilities, judged.targets
    fitted = fit_thresholds(fitting)
    point = fitted.apply(told, truth, evaluation.split)
    calibrated: dict[str, MetricResult] = {}
    statistics: list[Statistic] = list(_decisions(told, truth, fitted.thresholds))
    if torch.equal(learnt.ranks.sigmoid(), learnt.probabilities):  # ranks are logits
        for name, fit in SCALINGS.items():
            scaled = fit(learnt.ranks, learnt.targets, fitting.split)(judged.ranks)
            calibrated[name] = Reliability.of(scaled, truth).expected_error
            statistics.append(CalibrationError(f"ece_{name}", scaled, truth))
    found = {} if evaluation.draws is None else intervals(evaluation.draws, statistics)
    return replace(evaluation, decided=point, calibrated=calibrated, intervals={**evaluation.intervals, **found})


def fit_thresholds(fitting: Evaluation) -> GeometricMeanThresholds:
    """The thresholds of the largest geometric mean of sensitivity and specificity on a split.

    Raises:
        ConfigError: an evaluation without records.
    """
    learnt = records_of(fitting)
    return GeometricMeanThresholds.fit(learnt.probabilities, learnt.targets, fitting.split)


def _decisions(probabilities: Tensor, targets: Tensor, thresholds: Tensor) -> Iterator[Mean]:
    """How sensitivity and specificity follow from the images of a draw."""
    called = probabilities.double() >= thresholds
    for name, truth, right in (("sensitivity", 1, called), ("specificity", 0, ~called)):
        images, labels = ((targets == truth) & ~thresholds.isnan()).nonzero(as_tuple=True)
        yield Mean(name, Scored(images, labels, right[images, labels].double()), targets.shape[1])


def reliability(evaluation: Evaluation) -> Reliability:
    """Predictions by bins of probability."""
    records = records_of(evaluation)
    return Reliability.of(records.probabilities, records.targets)


def records_of(evaluation: Evaluation) -> Records:
    """What was predicted for each image.

    Raises:
        ConfigError: an evaluation without records.
    """
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

    def ends(name: str) -> dict[str, dict[str, float]]:
        interval = evaluation.intervals.get(name)
        return {} if interval is None else {f"{name}_{end}": by_class(getattr(interval, end)) for end in ENDS}

    def macro_ends(names: Mapping[str, str]) -> dict[str, float]:
        known = {key: evaluation.intervals[name].macro for key, name in names.items() if name in evaluation.intervals}
        return {f"{key}_{end}": macro[place] for key, macro in known.items() for place, end in enumerate(ENDS)}

    return {
        "operating_point": finite(
            {
                "rule": "largest geometric mean of sensitivity and specificity",
                "fitted_on": point.fitted_on,
                "applied_to": point.applied_to,
                "in_sample": point.in_sample,
                "thresholds": by_class(point.thresholds),
                "sensitivity": by_class(point.sensitivity.per_class),
                **ends("sensitivity"),
                "specificity": by_class(point.specificity.per_class),
                **ends("specificity"),
            }
        ),
        "calibration": finite(
            {
                "error": "expected calibration error, mean over classes",
                "bins": BINS,
                "fitted_on": point.fitted_on,
                "as_predicted": reliability(evaluation).expected_error.macro,
                **{name: error.macro for name, error in evaluation.calibrated.items()},
                **macro_ends({"as_predicted": "ece"} | {name: f"ece_{name}" for name in evaluation.calibrated}),
            }
        ),
    }
