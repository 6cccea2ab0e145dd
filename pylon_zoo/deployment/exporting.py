"""Models as files that run without this library, compared with the model before they count as done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from pylon_zoo.deployment.formats import Plan, Runner
from pylon_zoo.deployment.metadata import describe
from pylon_zoo.deployment.recording import ImageToHeatmap, checked_shapes, example
from pylon_zoo.deployment.registry import FORMATS, check_format
from pylon_zoo.errors import ConfigError, ParityError
from pylon_zoo.files import check_folder, make_folder, replacing
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.modes import evaluating
from pylon_zoo.models.options import as_pair, check_option

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Exported:
    """A file that was written and found right.

    Args:
        path: of the file.
        difference: the largest between file and model over logits and heatmaps, relative to the largest absolute value
            of the output where that is above 1.
        shapes: the batches and sizes (height, width) it was compared at.

    Example:
        >>> Exported(Path("model.onnx"), 1e-6, ((1, (224, 224)),)).difference
        1e-06
    """

    path: Path
    difference: float
    shapes: tuple[tuple[int, tuple[int, int]], ...]


def export(
    model: HeatmapClassifier,
    path: str | Path,
    format: str = "onnx",
    *,
    size: int | tuple[int, int] | None = None,
    opset: int | None = None,
) -> Exported:
    """Write a model to a file: input `image`, outputs `logits` and `heatmap`, the metadata of docs/export.md.

    What is written is the model optimized for inference (`pylon_zoo.optimize`), in float32. The file is read back and
    compared with the model itself on noise at several sizes and batches; only then does it appear at `path`.

    Args:
        model: with heatmaps; it stays as it is.
        path: of the file; its suffix is the format's.
        format: `"onnx"`; `"torch_export"` (.pt2); `"torchscript"` (.pt, by tracing).
        size: pixels, square or (H, W), of the only input size; None is every size from 32 pixels up, which some
            networks cannot. The batch is free in any case.
        opset: of ONNX; None is the exporter's own.

    Returns:
        The path, and how far the file is from the model.

    Raises:
        UnknownNameError: no such format.
        ConfigError: a suffix, folder, size or opset that cannot be; a network that cannot be recorded.
        ParityError: the file differs from the model by more than 1e-4.
        MissingDependencyError: a package of the extra `export` is not installed.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.models.build import build_model
        >>> done = export(build_model("cam_test_resnet", 2), Path(mkdtemp(), "cam.pt"), "torchscript", size=64)
        >>> done.difference < 1e-4
        True
    """
    check_format(format)
    kind, path = FORMATS[format], Path(path)
    check_path(path, kind.suffix, format)
    if opset is not None:
        if not kind.has_opset:
            raise ConfigError(f"opset={opset} means nothing to the format {format!r}; leave it out.")
        check_option("opset", opset, at_least=1)
    pair = None if size is None else as_pair("size", size)
    module = ImageToHeatmap(model)
    make_folder(path.parent)
    with replacing(path) as temporary:
        kind.write(Plan(module, describe(model, pair), pair, opset), temporary)
        difference = compare(model, kind.load(temporary), pair)
    return Exported(path, difference, tuple(checked_shapes(pair)))


def check_path(path: Path, suffix: str, format: str) -> None:
    """Find out early whether a file of that format can be written there.

    Raises:
        ConfigError: another suffix, or a folder that cannot be.
    """
    if path.suffix != suffix:
        raise ConfigError(f"{path}: the name of a file in the format {format!r} ends in {suffix}.")
    check_folder(path.parent, "the folder")


@torch.no_grad()
def compare(model: HeatmapClassifier, runner: Runner, size: tuple[int, int] | None) -> float:
    """The largest difference between an exported model and the model itself, on the CPU.

    Raises:
        ParityError: it is above `TOLERANCE`, or the exported model fails at a size.
    """
    reference = next(model.parameters())
    worst = 0.0
    with evaluating(model):
        for batch, sides in checked_shapes(size):
            images = example(model.in_chans, batch, sides)
            expected = model.forward_with_heatmap(images.to(reference))
            where = f"{batch} images of {sides[0]}×{sides[1]} pixels"
            try:
                actual = runner(images)
            except Exception as error:  # runtimes fail in many ways
                raise _unequal(model, size, f"fails on {where} ({type(error).__name__})") from error
            for name, one, other in zip(("logits", "heatmap"), actual, expected, strict=True):
                other = other.cpu()
                if one.shape != other.shape:
                    raise _unequal(model, size, f"gives a {name} of shape {tuple(one.shape)} for {where}")
                difference = float((one - other).abs().max() / other.abs().max().clamp(min=1))
                if not difference <= TOLERANCE:
                    raise _unequal(model, size, f"differs in its {name} by {difference:.1e} on {where}")
                worst = max(worst, difference)
    return worst


def _unequal(model: HeatmapClassifier, size: tuple[int, int] | None, what: str) -> ParityError:
    hint = "Export it for one size: size=(H, W), or --size H W." if size is None else "See docs/export.md."
    return ParityError(f"The exported {model.architecture} {what}, so no file was written. {hint}")
