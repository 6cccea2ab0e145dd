"""An ONNX file in the place of a model, its int8 copy, and the script that uses it without torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import torch
from PIL import Image

import pylon_zoo as pz
from pylon_zoo.data.phantom import PhantomCxr, render
from pylon_zoo.deployment.exporting import export
from pylon_zoo.deployment.onnx_model import OnnxModel
from pylon_zoo.deployment.quantization import quantize, stays_float
from pylon_zoo.errors import DataError
from pylon_zoo.evaluation import evaluate
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.views import with_views
from pylon_zoo.preprocessing import preprocess

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "onnx_without_torch.py"
pytestmark = pytest.mark.slow
PROBABILITY = 1e-4  # Pillow's bicubic and torchvision's are one algorithm and round differently


@pytest.fixture(scope="module")
def model() -> HeatmapClassifier:
    return pz.create_model("pylon_resnet18.phantom_cxr").eval()


@pytest.fixture(scope="module")
def path(model: HeatmapClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(model, tmp_path_factory.mktemp("onnx") / "model.onnx", size=192).path


@pytest.fixture(scope="module")
def int8(model: HeatmapClassifier, path: Path) -> Path:
    phantoms = PhantomCxr("train", size=192, count=20)
    read = preprocess(model)
    return quantize(path, path.with_name("int8.onnx"), (read(phantoms[i].image)[None] for i in range(20)))


def test_it_evaluates_as_the_model_does(model: HeatmapClassifier, path: Path):
    results = [
        evaluate(one, PhantomCxr("test", size=192, count=24), controls=False) for one in (model, OnnxModel(path))
    ]
    assert results[1].model == model.architecture
    assert torch.allclose(results[0].records.probabilities, results[1].records.probabilities, atol=1e-5)
    assert results[0].point_accuracy.macro == results[1].point_accuracy.macro


def test_it_is_one_of_those_that_give_heatmaps(model: HeatmapClassifier, path: Path):
    read = OnnxModel(path)
    assert isinstance(read, pz.HeatmapModel)
    assert read.label_names == model.label_names
    assert read.thresholds == model.thresholds


def test_its_views_are_averaged(model: HeatmapClassifier, path: Path):
    image = torch.rand(1, model.in_chans, 192, 192)
    (logits, heatmap), (theirs, _) = (
        with_views(one, "mirror").forward_with_heatmap(image) for one in (OnnxModel(path), model)
    )
    torch.testing.assert_close(heatmap, with_views(model, "mirror").forward_heatmap(image), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(logits, (model(image) + model(image.flip(-1))) / 2, atol=1e-3, rtol=1e-3)
    assert not logits.allclose(theirs)  # which are the mean heatmap's, pooled


def test_it_explains_as_the_model_does(model: HeatmapClassifier, path: Path):
    image = torch.from_numpy(render(0, 0, 192).image)
    ours, theirs = pz.explain(model, image), pz.explain(OnnxModel(path), image)
    assert ours.labels == theirs.labels
    assert torch.allclose(ours.native_heatmaps, theirs.native_heatmaps, atol=1e-4)
    assert [finding.peak for finding in ours.top(3)] == [finding.peak for finding in theirs.top(3)]


@pytest.mark.parametrize(
    ("content", "message"), [(None, "is not a file"), (b"no graph", "cannot be read"), ("bare", "does not say its")]
)
def test_what_is_no_file_of_ours(content: bytes | str | None, message: str, path: Path, tmp_path: Path):
    broken = tmp_path / "broken.onnx"
    if content == "bare":
        graph = onnx.load(path)
        del graph.metadata_props[:]
        onnx.save(graph, broken)
    elif content is not None:
        broken.write_bytes(content)
    with pytest.raises(DataError, match=message):
        OnnxModel(broken)


def test_int8_is_smaller_and_close(path: Path, int8: Path):
    assert int8.stat().st_size < 0.4 * path.stat().st_size
    images = torch.stack([preprocess(OnnxModel(path))(render(2, index, 192).image) for index in range(16)])
    before, after = (OnnxModel(one) for one in (path, int8))
    assert (after.label_names, after.pretrained_cfg) == (before.label_names, before.pretrained_cfg)
    gap = (before.probabilities(before(images)) - after.probabilities(after(images))).abs()
    assert 0 < gap.mean() < 0.02


def test_the_parts_in_the_table_stay_float(int8: Path):
    nodes = onnx.load(int8).graph.node
    makers = {output: node.op_type for node in nodes for output in node.output}
    convs = [node for node in nodes if node.op_type == "Conv"]
    assert {stays_float(node) for node in convs} == {True, False}
    for node in convs:
        assert (makers.get(node.input[1]) == "DequantizeLinear") is not stays_float(node), node.name


def test_there_must_be_images_to_calibrate_on(path: Path, tmp_path: Path):
    with pytest.raises(DataError, match="no image to calibrate"):
        quantize(path, tmp_path / "int8.onnx", iter(()))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_script_without_torch_says_what_explain_says(
    mode: str, model: HeatmapClassifier, path: Path, tmp_path: Path
):
    picture = tmp_path / "chest.png"
    Image.fromarray(render(5, 1, 500).image).convert(mode).resize((517, 433)).save(picture)
    (tmp_path / "torch.py").write_text("raise ImportError('this script must not need torch')", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(path), str(picture), "--out", "overlay.png"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^(\w+) +([\d.e-]+)  peak at x=(\d+), y=(\d+)$", done.stdout, flags=re.MULTILINE)
    explanation = pz.explain(model, picture)
    expected = explanation.top(8)
    assert [label for label, *_ in found] == [finding.label for finding in expected]
    for (_, probability, *peak), finding in zip(found, expected, strict=True):
        assert float(probability) == pytest.approx(finding.probability, abs=PROBABILITY)
        # Where probabilities saturate, rounding chooses one of equal pixels.
        shown = explanation.probability_map(finding.label)
        assert shown[int(peak[1]), int(peak[0])] >= shown[finding.peak.y, finding.peak.x] - 1e-5
    assert Image.open(tmp_path / "overlay.png").size == (517, 433)
