"""What a notebook shows of an explanation."""

from __future__ import annotations

import base64
import io
import re

import pytest
import torch
from PIL import Image

from pylon_zoo.attribution import AttributedClassifier
from pylon_zoo.explanation.explainer import explain
from pylon_zoo.explanation.notebook import BARS
from pylon_zoo.explanation.result import Explanation
from pylon_zoo.models.build import build_model


def explained(labels: list[str], **options: object) -> Explanation:
    torch.manual_seed(0)
    return explain(build_model("pylon_test_resnet", len(labels), label_names=labels), torch.rand(3, 48, 64), **options)


def rows(html: str) -> list[str]:
    return re.findall(r"<tr>.*?</tr>", html)


def test_bars_stand_in_the_order_of_probability() -> None:
    explanation = explained(["crack", "dent", "stain"])
    found = rows(explanation._repr_html_())
    assert [re.findall(r"<th>(.*?)</th>", row)[0] for row in found] == [label for label, _ in explanation.ranking()]
    widths = [float(re.findall(r'<b class="\w+" style="width:([\d.]+)%"></b>', row)[0]) for row in found]
    assert widths == pytest.approx([100 * probability for _, probability in explanation.ranking()], abs=0.051)


def test_a_bar_is_marked_from_its_threshold_on() -> None:
    assert 'class="found"' in explained(["crack"], threshold=1e-6)._repr_html_()
    assert 'class="found"' not in explained(["crack"], threshold=1 - 1e-6)._repr_html_()


def test_the_picture_is_the_most_probable_class() -> None:
    explanation = explained(["crack", "dent"])
    html = explanation._repr_html_()
    (data,) = re.findall(r'src="data:image/jpeg;base64,(.*?)"', html)
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    expected = explanation.overlay(explanation.ranking()[0][0], caption=False)
    assert picture.size == (448, 336)
    difference = torch.tensor(list(picture.convert("L").resize((32, 24)).tobytes())).float()
    difference -= torch.tensor(list(expected.convert("L").resize((32, 24)).tobytes())).float()
    assert difference.abs().mean() < 3
    assert f'alt="Heatmap of {explanation.ranking()[0][0]}"' in html
    assert "64 × 48 px" in html


def test_many_classes_are_counted() -> None:
    html = explained([f"kind {number}" for number in range(BARS + 3)])._repr_html_()
    assert len(rows(html)) == BARS
    assert "And 3 less probable." in html
    assert "less probable" not in explained(["crack"])._repr_html_()


def test_names_are_escaped() -> None:
    html = explained(["<b>crack</b>"])._repr_html_()
    assert "&lt;b&gt;crack&lt;/b&gt;" in html
    assert "<b>crack" not in html


def test_relevance_is_not_called_a_probability() -> None:
    model = AttributedClassifier(build_model("cam_test_resnet", 2, pooling="avg"), "grad_cam")
    said = "by an attribution method: where its relevance is high, not a probability"
    assert said in explain(model, torch.rand(3, 48, 64))._repr_html_()
    assert said not in explained(["crack"])._repr_html_()


def test_the_representation_in_text_stays_short() -> None:
    assert repr(explained(["crack"])).startswith("Explanation(path='', labels=('crack',), ")
