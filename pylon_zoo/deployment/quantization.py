"""int8 copies of ONNX files: static quantization, calibrated on images."""

from __future__ import annotations

import shutil
from ast import literal_eval
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from torch import Tensor

from pylon_zoo.deployment.recording import INPUT, quiet
from pylon_zoo.errors import DataError
from pylon_zoo.files import check_folder, make_folder, replacing
from pylon_zoo.optional import require

if TYPE_CHECKING:
    import onnx

CONVOLUTION = "Conv"
BETWEEN = ("Relu", "Clip", "Add", "MaxPool")
"""What is computed on int8 maps where it stands between convolutions, so that maps stay int8 from one to the next.

The way to float32 and back costs time. All else, resizing and products and the pooling of heatmaps, stays in float32,
and so do sums that anything of it goes into.
"""
# Where a convolution stands in the model (shell wildcards) → why it stays in float32 all the same.
FLOAT_PARTS = {
    "model.decoder.attention*": "the mask multiplies the whole coarsest map, and costs next to nothing",
    "model.decoder": "the head before the upsampling: its output is the heatmap, and its maximum the logit",
    "model.decoder.head": "as above",
    "model.head": "as above, in models other than PYLON",
}
SCOPES = "pkg.torch.onnx.name_scopes"
"""Where torch's exporter keeps the path of each node: a Python list, the node's own name last."""


def quantize(source: str | Path, path: str | Path, batches: Iterable[Tensor]) -> Path:
    """Write an int8 copy of an exported ONNX file, metadata included.

    Weights are int8 per output channel, maps uint8 with the range that the calibration images gave (MinMax), as
    QuantizeLinear and DequantizeLinear around convolutions and what stands between them (`BETWEEN`); `FLOAT_PARTS` stay
    as they are. Of the weights' 8 bits 7 are used. Maps have no sign, because after a ReLU they have none, and x86
    processors multiply bytes without a sign by bytes with one.

    Args:
        source: a file of `export(…, format="onnx")`.
        path: of the copy; ends in `.onnx`.
        batches: normalised images (N, C, H, W) to calibrate on; a hundred are enough, of the kind it will see.

    Returns:
        The path.

    Raises:
        DataError: there is no image, or no convolution to quantize.
        MissingDependencyError: onnx or onnxruntime is not installed.

    Example:
        >>> import onnx, torch; from tempfile import mkdtemp
        >>> head = '<ir_version: 8, opset_import: ["": 18]> model (float[n,1,8,8] image) => (float[n,1,8,8] heatmap)'
        >>> path = Path(mkdtemp(), "model.onnx")  # one convolution; `export` writes whole models
        >>> onnx.save(onnx.parser.parse_model(head + "<float[1,1,1,1] w = {2}> {heatmap = Conv(image, w)}"), path)
        >>> quantize(path, path.with_name("int8.onnx"), [torch.rand(4, 1, 8, 8)]).name
        'int8.onnx'
    """
    quantization = require("onnxruntime.quantization", extra="export")
    onnx = require("onnx", extra="export")
    path = Path(path)
    check_folder(path.parent, "the folder")
    images = ({INPUT: batch.numpy()} for batch in batches)
    first = next(images, None)
    if first is None:
        raise DataError("There is no image to calibrate on; give at least one.")

    # The base class is known only now that the package is imported.
    class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined,misc]
        """The images, once."""

        def __init__(self) -> None:
            self.left = chain([first], images)

        def get_next(self) -> dict[str, Any] | None:
            return next(self.left, None)

    chosen = quantized_nodes(onnx.load(source).graph)
    if not chosen:
        raise DataError(f"'{source}' has no convolution that could be quantized; use it as it is.")
    make_folder(path.parent)
    with TemporaryDirectory() as folder, quiet():
        quantization.quantize_static(
            str(source),
            str(Path(folder, "int8.onnx")),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=[CONVOLUTION, *BETWEEN],
            nodes_to_quantize=[node.name for node in chosen],
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            # x86 processors with AVX2 but not VNNI add two products of 8 bits in 16, which overflow where weights use
            # all 8; those without AVX2 add in 32 bits (`tests/deployment/test_processors.py`).
            reduce_range=True,
        )
        with replacing(path) as temporary:
            shutil.copyfile(Path(folder, "int8.onnx"), temporary)
    return path


def quantized_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The convolutions of a graph, and what of `BETWEEN` takes nothing but what they give."""
    chosen: list[onnx.NodeProto] = []
    quantized: set[str] = set()  # the maps
    made = {output for node in graph.node if node.op_type != "Constant" for output in node.output}
    for node in graph.node:  # which ONNX keeps in the order of their work
        maps = made.intersection(node.input)
        between = node.op_type in BETWEEN and maps and maps <= quantized
        if (node.op_type == CONVOLUTION or between) and not stays_float(node):
            chosen.append(node)
            quantized.update(node.output)
    return chosen


def stays_float(node: onnx.NodeProto) -> bool:
    """Whether a node stands in one of `FLOAT_PARTS`."""
    scopes: Sequence[str] = next((literal_eval(prop.value) for prop in node.metadata_props if prop.key == SCOPES), ())
    return len(scopes) > 1 and any(fnmatchcase(scopes[-2], part) for part in FLOAT_PARTS)
