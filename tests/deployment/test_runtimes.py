"""ONNX Runtime and OpenVINO give the same numbers behind one call, and say in a sentence what they cannot do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import pylon_zoo as pz
from pylon_zoo.deployment.metadata import describe, to_props
from pylon_zoo.deployment.quantization import quantize, quantized_nodes
from pylon_zoo.deployment.runtimes import RUNTIMES
from pylon_zoo.errors import ConfigError, DataError, MissingDependencyError, UnknownNameError
from pylon_zoo.models.build import build_model

CLASSES = 2
GRAPH = """<ir_version: 8, opset_import: ["": 18]> model (float[n, 3, {h}, {w}] image)
=> (float[n, 2] logits, float[n, 2, y, x] heatmap)
<float[8, 3, 3, 3] first, float[2, 8, 1, 1] last, int64[2] axes = {{2, 3}}>
{{ maps = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(image, first)
   bright = Relu(maps)
   heatmap = Conv(bright, last)
   logits = ReduceMax<keepdims = 0>(heatmap, axes) }}"""


def weights() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(8, 3, 3, 3, generator=generator), torch.randn(CLASSES, 8, 1, 1, generator=generator)


def write(path: Path, height: str = "h", width: str = "w") -> Path:
    """Two convolutions in place of a model, with the metadata of one."""
    model = onnx.parser.parse_model(GRAPH.format(h=height, w=width))
    for name, values in zip(("first", "last"), weights(), strict=True):
        model.graph.initializer.append(onnx.numpy_helper.from_array(values.numpy(), name))
    described = describe(build_model("cam_test_resnet", CLASSES))
    onnx.helper.set_model_props(model, to_props(described))
    onnx.save(model, path)
    return path


def expected(x: Tensor) -> tuple[Tensor, Tensor]:
    first, last = weights()
    heatmap = F.conv2d(F.conv2d(x, first, stride=2, padding=1).relu(), last)
    return heatmap.amax(dim=(2, 3)), heatmap


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("onnx") / "model.onnx")


@pytest.fixture(params=RUNTIMES)
def backend(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return request.param


@pytest.mark.parametrize("size", [(64, 64), (37, 101)])
def test_it_is_the_model(backend: str, size: tuple[int, int], path: Path):
    model = pz.load_exported(path, backend=backend)
    x = torch.randn(3, 3, *size, requires_grad=True)
    torch.testing.assert_close(model.forward_with_heatmap(x), expected(x.detach()), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model(x), expected(x.detach())[0], rtol=1e-4, atol=1e-4)


def test_it_obeys_the_contract(backend: str, path: Path):
    model = pz.load_exported(path, backend=backend)
    assert isinstance(model, pz.HeatmapModel)
    assert model.label_names == ("class_0", "class_1")
    assert pz.explain(model, torch.rand(3, 50, 40)).heatmaps.shape == (CLASSES, 50, 40)


def test_outputs_are_the_callers_own(backend: str, path: Path):
    model = pz.load_exported(path, backend=backend)
    x = torch.randn(1, 3, 64, 64)
    first = model.forward_heatmap(x)
    kept = first.clone()
    model.forward_heatmap(-x)
    assert torch.equal(first, kept)


def test_threads_do_not_meet(backend: str, path: Path):
    model = pz.load_exported(path, backend=backend)
    images = [torch.randn(1, 3, 64, 64) for _ in range(16)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(model.forward_heatmap, images))
    for x, heatmap in zip(images, found, strict=True):
        torch.testing.assert_close(heatmap, expected(x)[1], rtol=1e-4, atol=1e-4)


def test_int8_is_close(backend: str, path: Path, tmp_path: Path):
    x = torch.randn(4, 3, 64, 64)
    copy = quantize(path, tmp_path / "int8.onnx", [x])
    found, wanted = pz.load_exported(copy, backend=backend).forward_heatmap(x), expected(x)[1]
    assert 0 < float((found - wanted).abs().max() / wanted.abs().max()) < 0.05


def test_bfloat16_of_openvino_is_close(path: Path):
    openvino = pytest.importorskip("openvino")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("needs a processor with bfloat16")
    model = pz.load_exported(path, backend="openvino", dtype=torch.bfloat16)
    x = torch.randn(2, 3, 64, 64)
    found, wanted = model.forward_heatmap(x), expected(x)[1]
    assert found.dtype == torch.float32
    assert 0 < float((found - wanted).abs().max() / wanted.abs().max()) < 0.05


def test_bfloat16_is_refused_where_the_processor_lacks_it(path: Path, monkeypatch: pytest.MonkeyPatch):
    openvino = pytest.importorskip("openvino")
    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: ["FP32", "INT8"])
    with pytest.raises(ConfigError, match="no instructions for it; leave dtype out"):
        pz.load_exported(path, backend="openvino", dtype=torch.bfloat16)


def test_openvino_needs_nothing_of_onnx_runtime(path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("openvino")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    assert pz.load_exported(path, backend="openvino").num_classes == CLASSES
    with pytest.raises(MissingDependencyError, match="onnxruntime"):
        pz.load_exported(path)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"backend": "openvno"}, UnknownNameError, "Unknown backend 'openvno'. Did you mean 'openvino'"),
        ({"backend": "tensorrt"}, UnknownNameError, "There are onnxruntime, openvino"),
        ({"dtype": torch.bfloat16}, ConfigError, "none that the backend 'onnxruntime' runs in; it has torch.float32"),
        ({"backend": "openvino", "dtype": torch.int8}, ConfigError, "it has torch.float32 and torch.bfloat16"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], error: type[Exception], message: str, path: Path):
    with pytest.raises(error, match=message):
        pz.load_exported(path, **options)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 64, 64), r"\(3, 64, 64\), but '.*model.onnx' takes \(N, 3, H, W\)"),
        ((1, 1, 64, 64), r"takes \(N, 3, H, W\)"),
        ((1, 3, 16, 64), "of 32 pixels or more each way"),
        ((0, 3, 64, 64), "takes one image or more"),
    ],
)
def test_images_that_cannot_be(shape: tuple[int, ...], message: str, backend: str, path: Path):
    with pytest.raises(ConfigError, match=message):
        pz.load_exported(path, backend=backend)(torch.zeros(shape))


def test_a_file_for_one_size_says_so(backend: str, tmp_path: Path):
    model = pz.load_exported(write(tmp_path / "model.onnx", "64", "96"), backend=backend)
    assert model(torch.zeros(2, 3, 64, 96)).shape == (2, CLASSES)
    with pytest.raises(ConfigError, match=r"64×64 pixels, but '.*' was exported for 64×96 alone"):
        model(torch.zeros(1, 3, 64, 64))


def test_what_is_no_onnx_file(backend: str, tmp_path: Path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    with pytest.raises(DataError, match="cannot be read as an ONNX file"):
        pz.load_exported(broken, backend=backend)


def test_int8_maps_go_from_convolution_to_convolution():
    text = """<ir_version: 8, opset_import: ["": 18]> model (float[n, 4, 8, 8] image) => (float[n, 4, 8, 8] out)
    <float[4, 4, 1, 1] w>
    { a = Conv(image, w)
      b = Relu(a)
      c = Conv(b, w)
      both = Add(c, b)
      scaled = Mul(both, both)
      mixed = Add(scaled, c)
      out = Conv(mixed, w) }"""
    chosen = quantized_nodes(onnx.parser.parse_model(text).graph)
    assert [node.output[0] for node in chosen] == ["a", "b", "c", "both", "out"]  # not the sum with what stays float
