"""Exported files: the model's numbers at sizes and batches nobody recorded, and refusals that leave nothing behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from random_norms import randomize_norms
from torch import Tensor

import pylon_zoo as pz
from pylon_zoo.deployment.exporting import TOLERANCE, export
from pylon_zoo.deployment.formats import open_session
from pylon_zoo.deployment.metadata import METADATA, METADATA_FILE, describe, from_props
from pylon_zoo.deployment.registry import FORMATS
from pylon_zoo.errors import ConfigError, ParityError, UnknownNameError
from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier
from tests.models.test_five_kinds import KINDS

NEW_SHAPES = ((3, (64, 40)), (1, (33, 129)), (2, (288, 96)))  # none that `export` itself looks at


def model_of(kind: str = "ResNet", **options) -> HeatmapClassifier:
    torch.manual_seed(0)
    name, kwargs = KINDS[kind]
    return randomize_norms(build_model(f"pylon_{name}", 3, encoder_kwargs=kwargs, **options))


def difference(model: HeatmapClassifier, path: Path, format: str, batch: int, size: tuple[int, int]) -> float:
    images = torch.randn(batch, model.in_chans, *size, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        pairs = zip(FORMATS[format].load(path)(images), model.forward_with_heatmap(images), strict=True)
        return max(float((a - b).abs().max() / b.abs().max().clamp(min=1)) for a, b in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_one_file_serves_every_size_and_batch(format: str, tmp_path: Path):
    model = model_of(in_chans=1)
    done = export(model, tmp_path / f"model{FORMATS[format].suffix}", format)
    assert done.difference <= TOLERANCE
    assert {(batch, *size) for batch, size in done.shapes} == {
        (batch, *size) for batch in (1, 5) for size in ((224, 224), (256, 256), (300, 417))
    }
    for batch, size in NEW_SHAPES:
        assert difference(model, done.path, format, batch, size) <= TOLERANCE
    assert [path.name for path in tmp_path.iterdir()] == [done.path.name]


@pytest.mark.sweep
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_backbone_exports_at_every_size(kind: str, tmp_path: Path):
    model, path = model_of(kind), tmp_path / "model.onnx"
    assert export(model, path).difference <= TOLERANCE
    for batch, size in NEW_SHAPES:
        assert difference(model, path, "onnx", batch, size) <= TOLERANCE


@pytest.mark.sweep
def test_resnet50_and_the_bundled_checkpoint(tmp_path: Path):
    torch.manual_seed(0)
    resnet50 = randomize_norms(build_model("pylon_resnet50", 14))
    for model in (resnet50, pz.create_model("pylon_resnet18.phantom_cxr")):
        assert export(model, tmp_path / f"{model.architecture}.onnx").difference <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_a_vision_transformer_exports_at_one_size(format: str, tmp_path: Path):
    model = model_of("ViT", img_size=64)
    path = tmp_path / f"vit{FORMATS[format].suffix}"
    done = export(model, path, format, size=(64, 96))
    assert done.difference <= TOLERANCE
    assert {size for _, size in done.shapes} == {(64, 96)}
    assert difference(model, path, format, 3, (64, 96)) <= TOLERANCE


def test_the_model_stays_as_it_is(tmp_path: Path):
    model = build_model("cam_test_resnet", 2).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    export(model, tmp_path / "cam.pt", "torchscript", size=64)
    assert model.training
    assert all(value.equal(before[key]) for key, value in model.state_dict().items())


def read_onnx(path: Path) -> dict:
    return from_props(open_session(path).get_modelmeta().custom_metadata_map)


def read_torch_export(path: Path) -> dict:
    extra = {METADATA_FILE: ""}
    torch.export.load(path, extra_files=extra)
    return json.loads(extra[METADATA_FILE])


def read_torchscript(path: Path) -> dict:
    extra = {METADATA_FILE: ""}
    torch.jit.load(path, _extra_files=extra)
    return json.loads(extra[METADATA_FILE])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "read"), [("onnx", read_onnx), ("torch_export", read_torch_export), ("torchscript", read_torchscript)]
)
def test_the_file_says_how_to_use_it(format: str, read, tmp_path: Path):
    model = build_model("cam_test_resnet", 2, in_chans=1, label_names=("Nodule", "Maß, groß"))
    model.set_thresholds([0.25, 0.5])
    done = export(model, tmp_path / f"cam{FORMATS[format].suffix}", format, size=(64, 48))
    values = read(done.path)
    assert set(values) == set(METADATA)
    assert values == describe(model, (64, 48))
    assert values["label_names"] == ["Nodule", "Maß, groß"]
    assert values["thresholds"] == [0.25, 0.5]
    assert values["input_size"] == [1, 64, 48]


@pytest.mark.slow
def test_onnx_names_its_inputs_outputs_and_axes(tmp_path: Path):
    session = open_session(export(build_model("cam_test_resnet", 2), tmp_path / "cam.onnx", opset=18).path)
    (image,), (logits, heatmap) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.shape) == ("image", ["batch", 3, "height", "width"])
    assert (logits.name, logits.shape) == ("logits", ["batch", 2])
    assert (heatmap.name, heatmap.shape[:2]) == ("heatmap", ["batch", 2])


def test_a_file_that_is_wrong_is_refused_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    load = FORMATS["torchscript"].load

    def off_by_a_little(path: Path):
        run = load(path)

        def wrong(image: Tensor) -> tuple[Tensor, Tensor]:
            logits, heatmap = run(image)
            return logits, heatmap + 3e-4 * heatmap.abs().max().clamp(min=1)

        return wrong

    monkeypatch.setitem(FORMATS, "torchscript", replace(FORMATS["torchscript"], load=off_by_a_little))
    (tmp_path / "cam.pt").write_text("the file of before", encoding="utf-8")
    with pytest.raises(ParityError, match=r"differs in its heatmap by 3.0e-04 on 1 images of 64×64"):
        export(build_model("cam_test_resnet", 2), tmp_path / "cam.pt", "torchscript", size=64)
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["the file of before"]


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("cam.onnx", {"format": "onx"}, UnknownNameError, "Did you mean 'onnx'"),
        ("cam.pt", {}, ConfigError, "ends in .onnx"),
        ("cam.pt", {"format": "torchscript", "opset": 18}, ConfigError, "opset=18"),
        ("cam.onnx", {"opset": 0}, ConfigError, "opset=0"),
        ("cam.onnx", {"size": (64, 0)}, ConfigError, "size=\\(64, 0\\)"),
        ("file/cam.onnx", {}, ConfigError, "is a file"),
    ],
)
def test_mistakes(name: str, options: dict, error: type[Exception], message: str, tmp_path: Path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(error, match=message):
        export(build_model("cam_test_resnet", 2), tmp_path / name, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_model_without_heatmaps_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="no heatmap"):
        export(build_model("pylon_test_resnet", 2, head_mlp_layers=2), tmp_path / "mlp.onnx")
