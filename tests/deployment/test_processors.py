"""int8 files on processors with other instructions than this one's, by emulation: QEMU's `qemu-x86_64` (qemu-user)."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from pylon_zoo.deployment.formats import open_session
from pylon_zoo.deployment.quantization import quantize

QEMU = shutil.which("qemu-x86_64")
RUN = """
import sys
import numpy as np
import onnxruntime

folder = sys.argv[1]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(f"{folder}/int8.onnx", options, providers=["CPUExecutionProvider"])
np.save(f"{folder}/found.npy", session.run(None, {"image": np.load(f"{folder}/images.npy")})[0])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An int8 convolution whose products all have one sign, so that sums in too few bits overflow, and its images."""
    rng = np.random.default_rng(0)
    sign = rng.choice([-1.0, 1.0], (1, 64, 1, 1))
    weights = (sign * rng.uniform(0.9, 1.0, (8, 64, 3, 3))).astype(np.float32)
    images = (sign * rng.uniform(0.9, 1.0, (4, 64, 8, 8))).astype(np.float32)
    convolution = helper.make_node("Conv", ["image", "weights"], ["maps"], name="convolution")
    graph = helper.make_graph(
        [convolution],
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 64, 8, 8])],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["batch", 8, 6, 6])],
        [numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    quantize(tmp_path / "m.onnx", tmp_path / "int8.onnx", [torch.from_numpy(images)])
    np.save(tmp_path / "images.npy", images)
    return tmp_path


def test_weights_leave_room_for_two_products_in_16_bits(folder: Path) -> None:
    stored = [numpy_helper.to_array(one) for one in onnx.load(folder / "int8.onnx").graph.initializer]
    (weights,) = (one.astype(int) for one in stored if one.dtype == np.int8 and one.ndim == 4)
    assert abs(weights).max() >= 60
    assert 2 * 255 * abs(weights).max() < 2**15


@pytest.mark.sweep
@pytest.mark.skipif(QEMU is None or platform.machine() != "x86_64", reason="needs qemu-x86_64 on a 64-bit x86")
@pytest.mark.parametrize("processor", ["Haswell", "SandyBridge", "Nehalem"], ids=["AVX2", "AVX", "SSE4.2"])
def test_other_processors_give_the_same_numbers(folder: Path, processor: str) -> None:
    """Haswell has AVX2 and no VNNI; the others have no AVX2. Anything older, NumPy itself refuses."""
    expected = open_session(folder / "int8.onnx").run(None, {"image": np.load(folder / "images.npy")})[0]
    plain = open_session(folder / "m.onnx").run(None, {"image": np.load(folder / "images.npy")})[0]
    assert abs(expected - plain).max() < 0.02 * abs(plain).max()
    subprocess.run(
        [QEMU, "-cpu", processor, Path(sys.executable).resolve(), "-c", RUN, folder],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
        timeout=600,
    )
    assert np.allclose(np.load(folder / "found.npy"), expected, rtol=1e-6, atol=0)
