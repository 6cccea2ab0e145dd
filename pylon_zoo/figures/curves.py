"""Curves of evaluations: ROC, precision and recall, and what a threshold decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pylon_zoo.figures.panels import note, outer, panels, styled
from pylon_zoo.figures.recipe import CurvesRecipe
from pylon_zoo.figures.sources import Evaluated, evaluations, one_evaluation, shown_classes
from pylon_zoo.figures.style import EXTRA, FAINT, SMALL, TEXT, line_style, look
from pylon_zoo.optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOGETHER = 6
"""Classes of one evaluation, at most, whose curves share a panel."""
EDGE = 0.02
"""Beyond 0 and 1, so that lines at the ends are seen whole."""
DECIDED = {"sensitivity": 0, "specificity": 1, "precision": 2}
"""Curve of a figure of thresholds → its line style."""


@dataclass(frozen=True)
class Curve:
    """A kind of curve.

    Args:
        points: truth (N,) and scores (N,) → x, y.
        area: truth and scores → the number that sums it up.
        sign: what that number is called.
        x_title: of the horizontal axis.
        y_title: of the vertical axis.
        corner: of a panel, which curves leave free.
        step: whether y holds until the next x; else points are joined.
        chance: share of images that have the class → the line of a model that knows nothing, two x and two y.
    """

    points: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    area: Callable[[np.ndarray, np.ndarray], float]
    sign: str
    x_title: str
    y_title: str
    corner: str
    step: bool
    chance: Callable[[float], tuple[tuple[float, float], tuple[float, float]]]


def _roc(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    false, true, _ = _sklearn().roc_curve(truth, scores)
    return false, true


def _precision_recall(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    precision, recall, _ = _sklearn().precision_recall_curve(truth, scores)
    return recall, precision


CURVES = {
    "roc": Curve(
        _roc,
        lambda truth, scores: float(_sklearn().roc_auc_score(truth, scores)),
        "AUC",
        "False positive rate (1 − specificity)",
        "True positive rate (sensitivity)",
        "lower right",
        step=False,
        chance=lambda share: ((0, 1), (0, 1)),
    ),
    "precision-recall": Curve(
        _precision_recall,
        lambda truth, scores: float(_sklearn().average_precision_score(truth, scores)),
        "AP",
        "Recall (sensitivity)",
        "Precision",
        "lower left",
        step=True,
        chance=lambda share: ((0, 1), (share, share)),
    ),
}
"""Kind of figure → how it is drawn."""


def draw_curves(recipe: CurvesRecipe) -> Figure:
    """ROC curves, or precision over recall: a panel for each class and a line for each evaluation.

    One evaluation of few classes has them all in one panel. The number is the area under the curve (ROC), or average
    precision; the dotted line is a model that knows nothing.

    Args:
        recipe: of kind `"roc"` or `"precision-recall"`.

    Returns:
        The figure.

    Raises:
        ConfigError, UnknownNameError, DataError: folders or classes that cannot be drawn.
        MissingDependencyError: Matplotlib or scikit-learn is not installed.
    """
    curve = CURVES[recipe.kind]
    found = evaluations(recipe)
    classes = shown_classes(recipe, found)
    areas = {(one.name, name): _area(curve, one, name) for one in found for name in classes}
    with look():
        if len(found) == 1 and len(classes) <= TOGETHER:
            lines = styled([f"{name}  {_number(areas[found[0].name, name])}" for name in classes])
            figure, every = panels(1, recipe.width, lines, title=curve.sign, aspect=0.85)
            _draw_panel(every[0], "", [(found[0], name) for name in classes], curve)
        else:
            lines = styled([one.name for one in found]) if len(found) > 1 else {}
            figure, every = panels(len(classes), recipe.width, lines)
            for axes, name in zip(every, classes, strict=True):
                _draw_panel(axes, name, [(one, name) for one in found], curve)
                numbers = [f"{curve.sign} {_number(areas[one.name, name])}" for one in found]
                colors = [line_style(place)["color"] for place in range(len(found))]
                note(axes, list(zip(numbers, colors, strict=True)), curve.corner)
        outer(every, curve.x_title, curve.y_title)
    return figure


def _draw_panel(axes: Axes, title: str, members: Sequence[tuple[Evaluated, str]], curve: Curve) -> None:
    """The curves of one panel, (evaluation, class) each."""
    for place, (one, name) in enumerate(members):
        truth, scores = _judged(one, name)
        if not _both(truth):
            continue
        x, y = curve.points(truth, scores)
        how: dict[str, Any] = {"drawstyle": "steps-post"} if curve.step else {}
        axes.plot(x, y, gid=f"{one.name}: {name}", **line_style(place), **how)
    shares = {float(truth.mean()) for truth, scores in (_judged(*member) for member in members) if _both(truth)}
    if not shares:
        _say_undefined(axes)
    for ends in {curve.chance(share) for share in shares}:
        if title or len(members) == 1 or curve.sign == "AUC":
            axes.plot(*ends, color=FAINT, linestyle=(0, (1, 2)), linewidth=0.7, zorder=1)
    axes.set_title(title)
    _unit_square(axes)


def _area(curve: Curve, one: Evaluated, name: str) -> float:
    truth, scores = _judged(one, name)
    return curve.area(truth, scores) if _both(truth) else math.nan


def draw_thresholds(recipe: CurvesRecipe) -> Figure:
    """Sensitivity, specificity and precision at every threshold, a panel for each class.

    The upright line is the threshold that `evaluate --thresholds-from` fitted, where it did.

    Args:
        recipe: of kind `"thresholds"`, with one source.

    Returns:
        The figure.

    Raises:
        ConfigError, UnknownNameError, DataError: folders or classes that cannot be drawn.
        MissingDependencyError: Matplotlib or scikit-learn is not installed.
    """
    one = one_evaluation(recipe)
    classes = shown_classes(recipe, [one])
    point = one.facts.get("operating_point", {})
    fitted = point.get("thresholds", {})
    lines: dict[str, Any] = {name: line_style(place) for name, place in DECIDED.items()}
    if any(fitted.get(name) is not None for name in classes):
        lines[f"threshold fitted on {point['fitted_on']}"] = {"color": FAINT, "linewidth": 0.9}
    with look():
        figure, every = panels(len(classes), recipe.width, lines)
        for axes, name in zip(every, classes, strict=True):
            axes.set_title(name)
            _unit_square(axes)
            truth, told = _judged(one, name, probabilities=True)
            if not _both(truth):
                _say_undefined(axes)
                continue
            for (kind, place), (thresholds, values) in zip(DECIDED.items(), _decided(truth, told), strict=True):
                axes.plot(thresholds, values, gid=f"{kind}: {name}", drawstyle="steps-pre", **line_style(place))
            if (chosen := fitted.get(name)) is not None:
                axes.axvline(chosen, gid=f"threshold: {name}", **list(lines.values())[-1])
        outer(every, "Threshold (probability)", "Share of images")
    return figure


def _decided(truth: np.ndarray, told: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each curve of `DECIDED` thresholds from 0 to 1 and values; a value holds from the threshold before it on."""
    false, true, thresholds = _sklearn().roc_curve(truth, told, drop_intermediate=False)
    thresholds[0] = 1.0  # at infinity nothing is called
    precision, _, levels = _sklearn().precision_recall_curve(truth, told)
    rising = [(np.append(0.0, thresholds[::-1]), np.append(rate[-1], rate[::-1])) for rate in (true, 1 - false)]
    return [*rising, (np.append(0.0, levels), np.append(precision[0], precision[:-1]))]


def _judged(one: Evaluated, name: str, *, probabilities: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Truth and scores of the images whose label of a class is known."""
    found = one.predictions
    place = found.classes.index(name)
    truth = found.targets[:, place].numpy()
    scores = (found.probabilities if probabilities else found.ranks)[:, place].numpy()
    known = ~np.isnan(truth)
    return truth[known], scores[known]


def _both(truth: np.ndarray) -> bool:
    """Whether some images have the class and some do not, without which there is no curve."""
    return bool(0 < truth.sum() < len(truth))


def _number(area: float) -> str:
    return "–" if math.isnan(area) else f"{area:.3f}"


def _say_undefined(axes: Axes) -> None:
    text = "not defined:\nno image has it, or all do"
    axes.text(0.5, 0.5, text, ha="center", va="center", size=SMALL, color=FAINT)


def _unit_square(axes: Axes) -> None:
    axes.set(xlim=(-EDGE, 1 + EDGE), ylim=(-EDGE, 1 + EDGE), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.title.set_fontsize(TEXT)


def _sklearn() -> Any:
    return require("sklearn.metrics", EXTRA)
