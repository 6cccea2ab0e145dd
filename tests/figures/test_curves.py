"""Curves of evaluations and runs: what is drawn is what the files say."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from pylon_zoo.errors import ConfigError, DataError, UnknownNameError
from pylon_zoo.evaluation.predictions import PREDICTIONS, read_predictions
from pylon_zoo.figures.curves import draw_curves, draw_thresholds
from pylon_zoo.figures.learning import draw_learning
from pylon_zoo.figures.offsets import draw_offsets
from pylon_zoo.figures.recipe import CurvesRecipe, SourceSection
from pylon_zoo.figures.saving import content_of


def recipe(kind: str, *folders: str, **options) -> CurvesRecipe:
    return CurvesRecipe(kind, sources=tuple(SourceSection(folder) for folder in folders), **options)


def points(figure, name: str) -> np.ndarray:
    (line,) = figure.findobj(lambda one: one.get_gid() == name)
    return np.asarray(line.get_xydata())


def said(figure) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def judged(folder: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = read_predictions(folder)
    known = ~found.targets[:, 0].isnan()
    return tuple(array[known, 0].numpy() for array in (found.targets, found.ranks, found.probabilities))


def test_roc_of_one_evaluation_stands_in_one_panel(evaluated):
    folder = evaluated()
    figure = draw_curves(recipe("roc", folder))
    truth, ranks, _ = judged(folder)
    drawn = points(figure, "a model: crack")
    for false, true in drawn:
        cuts = [cut for cut in [*ranks, np.inf] if (ranks[truth == 0] >= cut).mean() == pytest.approx(false)]
        assert any((ranks[truth == 1] >= cut).mean() == pytest.approx(true) for cut in cuts)
    assert np.trapezoid(drawn[:, 1], drawn[:, 0]) == pytest.approx(roc_auc_score(truth, ranks))
    assert f"crack  {roc_auc_score(truth, ranks):.3f}" in said(figure)
    assert "dent  –" in said(figure)
    assert not figure.findobj(lambda one: one.get_gid() == "a model: dent")


def test_precision_recall_of_two_is_a_panel_for_each_class(evaluated):
    first, second = evaluated("one"), evaluated("two")
    figure = draw_curves(recipe("precision-recall", first, second))
    truth, ranks, _ = judged(first)
    assert len([axes for axes in figure.axes if axes.get_title() in ("crack", "dent")]) == 2
    assert said(figure).count(f"AP {average_precision_score(truth, ranks):.3f}") == 2
    assert {"one", "two"} <= set(said(figure))  # models of one name go by their folders
    assert "not defined:\nno image has it, or all do" in said(figure)
    drawn = points(figure, "one: crack")
    assert drawn[0].tolist() == [1.0, pytest.approx(truth.mean())]
    assert drawn[-1].tolist() == [0.0, 1.0]


def test_thresholds_decide_what_counting_says(evaluated):
    folder = evaluated()
    figure = draw_thresholds(recipe("thresholds", folder))
    truth, _, told = judged(folder)
    shares = {
        "sensitivity": lambda called: called[truth == 1].mean(),
        "specificity": lambda called: (~called)[truth == 0].mean(),
        "precision": lambda called: truth[called].mean(),
    }
    for kind, share in shares.items():
        line = points(figure, f"{kind}: crack")
        for threshold in np.linspace(0.01, told.max() - 0.01, 23):
            place = np.searchsorted(line[:, 0], threshold)  # a value holds from the point before it on
            assert line[place, 1] == pytest.approx(share(told >= threshold)), (kind, threshold)
    (upright,) = figure.findobj(lambda one: one.get_gid() == "threshold: crack")
    assert list(upright.get_xdata()) == [0.25, 0.25]
    assert "threshold fitted on val" in said(figure)


def test_thresholds_without_fitted_ones(evaluated):
    figure = draw_thresholds(recipe("thresholds", evaluated(fitted=False)))
    assert not any("fitted" in text for text in said(figure))


def test_offsets_lie_down_and_right_of_the_middle(evaluated):
    figure = draw_offsets(recipe("offsets", evaluated()))
    (axes,) = (axes for axes in figure.axes if axes.get_title())
    assert axes.get_title() == "crack"
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # down is down
    reach = 6.0  # the round number from 5 pixels up
    for kind in ("in", "beside", "mean"):
        drawn = points(figure, f"crack: {kind}")
        assert np.allclose(drawn, [4 / reach, -3 / reach])
    assert "3.0 up, 4.0 right" in said(figure)
    assert any(text.startswith("Rings: 3 and 6 px") and "of 96 × 64" in text for text in said(figure))


def test_learning_curves_are_the_runs(trained):
    figure = draw_learning(recipe("learning", trained("a"), trained("b", epochs=4)))
    assert points(figure, "a: train_loss").tolist() == [[1, 2], [2, 1], [3, pytest.approx(2 / 3)]]
    assert points(figure, "a: val_loss").tolist() == [[1, 1], [3, pytest.approx(1 / 3)]]  # the second has none
    assert points(figure, "b: best epoch, val_loss").tolist() == [[3, pytest.approx(1 / 3)]]
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["Loss", "AUROC"]  # nobody measured point accuracy


def test_curves_can_be_saved_in_every_format(evaluated, trained):
    figure = draw_offsets(recipe("offsets", evaluated()))
    assert all(len(content_of(figure, kind)) > 1000 for kind in ("pdf", "svg", "png"))
    svg = content_of(draw_learning(recipe("learning", trained())), "svg").decode()
    assert ">Loss</text>" in svg
    assert 'id="run: val_loss"' in svg


@pytest.mark.parametrize("width", [3.5, 7.16])
def test_curves_have_their_width(evaluated, trained, width: float):
    assert draw_curves(recipe("roc", evaluated(), width=width)).get_size_inches()[0] == width
    assert draw_learning(recipe("learning", trained(), width=width)).get_size_inches()[0] == width


def test_what_cannot_be_drawn_is_said(evaluated, trained, tmp_path):
    one = evaluated()
    for kind, draw in (("thresholds", draw_thresholds), ("offsets", draw_offsets)):
        with pytest.raises(ConfigError, match=f"A figure of {kind} shows one evaluation, not 2"):
            draw(recipe(kind, one, one))
    with pytest.raises(ConfigError, match="needs at least one folder"):
        draw_curves(CurvesRecipe("roc"))
    with pytest.raises(UnknownNameError, match=r"has no class 'crak' among crack, dent\. Did you mean 'crack'"):
        draw_curves(recipe("roc", one, classes=("crak",)))
    with pytest.raises(DataError, match="its images have no boxes of these classes, or its model no heatmaps"):
        draw_offsets(recipe("offsets", evaluated("unboxed", boxes=False)))
    with pytest.raises(DataError, match=r"gone holds no predictions.npz: give a folder that `pylon-zoo evaluate"):
        draw_curves(recipe("roc", str(tmp_path / "gone")))
    with pytest.raises(DataError, match=r"gone holds no run that can be read \(metrics.csv: No such file"):
        draw_learning(recipe("learning", str(tmp_path / "gone")))
    with pytest.raises(DataError, match="has finished no epoch yet"):
        draw_learning(recipe("learning", trained("young", epochs=0)))
    (tmp_path / "one" / PREDICTIONS).write_bytes(b"no archive")
    with pytest.raises(DataError, match="cannot be read as what `pylon-zoo evaluate` wrote"):
        draw_curves(recipe("roc", one))
    (tmp_path / "young" / "metrics.csv").write_text("epoch,best\n1,yes\n", encoding="utf-8")
    with pytest.raises(DataError, match="is not the table of a run"):
        draw_learning(recipe("learning", str(tmp_path / "young")))
