"""The files a model can be exported to: how each is written and read. `pylon_zoo.deployment.registry` names them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pylon_zoo.deployment.metadata import METADATA_FILE, to_props
from pylon_zoo.deployment.recording import INPUT, OUTPUTS, ImageToHeatmap, not_recordable, quiet, record, trace
from pylon_zoo.errors import ConfigError
from pylon_zoo.optional import require

Runner = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Normalised images (N, C, H, W) → logits (N, K), heatmaps (N, K, h, w)."""
AXES = ("batch", "height", "width")


@dataclass(frozen=True)
class Plan:
    """What to write.

    Args:
        module: the model.
        metadata: of `pylon_zoo.deployment.metadata.describe`.
        size: (height, width) of the only input size, None for every size.
        opset: of ONNX; None is the exporter's own.
    """

    module: ImageToHeatmap
    metadata: Mapping[str, Any]
    size: tuple[int, int] | None = None
    opset: int | None = None


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Args:
        suffix: of its name.
        write: writes a plan to a path.
        load: reads the file back, as its user would.
        has_opset: whether `opset` means something.
    """

    suffix: str
    write: Callable[[Plan, Path], None]
    load: Callable[[Path], Runner]
    has_opset: bool = False


def write_onnx(plan: Plan, path: Path) -> None:
    """One ONNX file, weights included."""
    for module in ("onnx", "onnxscript"):
        require(module, extra="export")
    program = record(plan.module, plan.size)
    try:
        with quiet(), torch.no_grad():
            written = torch.onnx.export(
                program,
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                opset_version=plan.opset,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # an operation without translation, at this opset or at all
        raise not_recordable(plan.module, plan.size, error) from error
    assert written is not None  # as it is from a program
    opset = written.model.opset_imports[""]
    if plan.opset not in (None, opset):
        raise ConfigError(f"opset={plan.opset}: the graph could only be written in opset {opset}. Leave opset out.")
    shape = written.model.graph.inputs[0].shape
    assert shape is not None  # as it is of every input
    sides = zip((shape[axis] for axis in (0, 2, 3)), AXES, strict=True)
    written.rename_axes({side: name for side, name in sides if not isinstance(side, int)})
    written.model.metadata_props.update(to_props(plan.metadata))
    written.save(path, external_data=False)


def load_onnx(path: Path) -> Runner:
    """An ONNX file by onnxruntime, on the CPU."""
    return session_runner(open_session(path))


def session_runner(session: Any) -> Runner:
    """What runs an open session."""

    def run(image: Tensor) -> tuple[Tensor, Tensor]:
        logits, heatmap = map(torch.from_numpy, session.run(list(OUTPUTS), {INPUT: image.numpy()}))
        return logits, heatmap

    return run


def open_session(path: Path) -> Any:
    """An `onnxruntime.InferenceSession` on the CPU, with as many threads as torch uses."""
    runtime = require("onnxruntime", extra="export")
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = torch.get_num_threads()
    return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def write_torch_export(plan: Plan, path: Path) -> None:
    """A `.pt2` archive."""
    program = record(plan.module, plan.size)
    with quiet():
        torch.export.save(program, path, extra_files={METADATA_FILE: json.dumps(plan.metadata)})


def load_torch_export(path: Path) -> Runner:
    """A `.pt2` archive by `torch.export.load`."""
    with quiet():
        return torch.export.load(path).module()


def write_torchscript(plan: Plan, path: Path) -> None:
    """A TorchScript archive."""
    traced = trace(plan.module, plan.size)
    with quiet():
        torch.jit.save(traced, path, _extra_files={METADATA_FILE: json.dumps(plan.metadata)})


def load_torchscript(path: Path) -> Runner:
    """A TorchScript archive by `torch.jit.load`."""
    with quiet():
        run: Runner = torch.jit.load(path)
        return run


ONNX = Format(".onnx", write_onnx, load_onnx, has_opset=True)
TORCH_EXPORT = Format(".pt2", write_torch_export, load_torch_export)
TORCHSCRIPT = Format(".pt", write_torchscript, load_torchscript)
