"""What runs an exported ONNX file on a CPU, behind one call. A runtime is one function and one line in `RUNTIMES`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pylon_zoo.deployment.formats import Runner, open_session, session_runner
from pylon_zoo.deployment.metadata import METADATA
from pylon_zoo.deployment.recording import INPUT, OUTPUTS
from pylon_zoo.errors import ConfigError, UnknownNameError, suggest
from pylon_zoo.optional import require


@dataclass(frozen=True)
class OpenFile:
    """A file that is ready to run.

    Args:
        run: runs it; safe to call from several threads.
        props: what it says about itself, key → JSON text.
        sides: (height, width) in pixels that the images must have; None where any will do.
    """

    run: Runner
    props: Mapping[str, str]
    sides: tuple[int | None, int | None]


@dataclass(frozen=True)
class Runtime:
    """A package that runs ONNX files.

    Args:
        open: reads a file, to run in a precision.
        dtypes: the precisions; the first is the one where nobody asks.
    """

    open: Callable[[Path, torch.dtype], OpenFile]
    dtypes: tuple[torch.dtype, ...]


def open_onnxruntime(path: Path, dtype: torch.dtype) -> OpenFile:
    """By ONNX Runtime, in float32; with as many threads as torch uses."""
    session = open_session(path)
    sides = [side if isinstance(side, int) else None for side in session.get_inputs()[0].shape[2:]]
    return OpenFile(session_runner(session), session.get_modelmeta().custom_metadata_map, (sides[0], sides[1]))


def open_openvino(path: Path, dtype: torch.dtype) -> OpenFile:
    """By OpenVINO; with as many threads as torch uses.

    Raises:
        ConfigError: bfloat16, on a processor without instructions for it.
    """
    openvino = require("openvino", extra="openvino")
    core = openvino.Core()
    if dtype == torch.bfloat16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise ConfigError("dtype=torch.bfloat16, but this processor has no instructions for it; leave dtype out.")
    model = core.read_model(str(path))
    places = {key: ["framework", key] for key in METADATA}  # where its reader of ONNX puts `metadata_props`
    props = {key: str(model.get_rt_info(at).astype(str)) for key, at in places.items() if model.has_rt_info(at)}
    sides = [side.get_length() if side.is_static else None for side in list(model.input(INPUT).partial_shape)[2:]]
    # Left alone it computes in bfloat16 where the processor can.
    precision = {"INFERENCE_PRECISION_HINT": {torch.float32: "f32", torch.bfloat16: "bf16"}[dtype]}
    compiled = core.compile_model(model, "CPU", {**precision, "INFERENCE_NUM_THREADS": torch.get_num_threads()})
    own = threading.local()  # a request serves one thread at a time

    def run(image: Tensor) -> tuple[Tensor, Tensor]:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        found: Any = own.request.infer({INPUT: image.numpy()})
        logits, heatmap = (torch.from_numpy(found[name].copy()) for name in OUTPUTS)  # the request keeps its own
        return logits, heatmap

    return OpenFile(run, props, (sides[0], sides[1]))


RUNTIMES = {
    "onnxruntime": Runtime(open_onnxruntime, (torch.float32,)),
    "openvino": Runtime(open_openvino, (torch.float32, torch.bfloat16)),
}
"""Name, as `backend=` takes it → runtime."""


def find_runtime(backend: str, dtype: torch.dtype | None) -> tuple[Runtime, torch.dtype]:
    """The runtime of that name, and the precision to run in.

    Args:
        backend: a key of `RUNTIMES`.
        dtype: None is the runtime's own, float32.

    Raises:
        UnknownNameError: no such runtime; names the nearest.
        ConfigError: a precision that it does not have.

    Example:
        >>> find_runtime("openvino", None)[1]
        torch.float32
    """
    if backend not in RUNTIMES:
        raise UnknownNameError(
            f"Unknown backend {backend!r}.{suggest(str(backend), RUNTIMES)} There are {', '.join(RUNTIMES)}."
        )
    runtime = RUNTIMES[backend]
    if dtype is not None and dtype not in runtime.dtypes:
        known = " and ".join(map(str, runtime.dtypes))
        raise ConfigError(f"dtype={dtype!r} is none that the backend {backend!r} runs in; it has {known}.")
    return runtime, dtype or runtime.dtypes[0]
