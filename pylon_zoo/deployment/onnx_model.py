"""An exported ONNX file in the place of a model: `explain` and `evaluate` take it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pylon_zoo.cells import CellGrid
from pylon_zoo.deployment.metadata import METADATA, from_props, grid_from
from pylon_zoo.deployment.recording import MIN_SIDE
from pylon_zoo.deployment.runtimes import find_runtime
from pylon_zoo.errors import ConfigError, DataError, PylonZooError
from pylon_zoo.models.contract import ACTIVATIONS
from pylon_zoo.models.options import as_pair


def load_exported(path: str | Path, *, backend: str = "onnxruntime", dtype: torch.dtype | None = None) -> OnnxModel:
    """An exported ONNX file in the place of a model, run on the CPU by the backend of your choice.

    Args:
        path: of a file that `pylon-zoo export` or `quantize` wrote, float32 or int8.
        backend: `"onnxruntime"` (extra `export`) or `"openvino"` (extra `openvino`), which needs no other package.
        dtype: what the file's float operations are computed in: `torch.bfloat16`, of OpenVINO on processors that have
            it; None is float32. An int8 file's convolutions are int8 either way.

    Returns:
        A `HeatmapModel`: `explain` and `evaluate` take it. Logits and heatmaps are float32.

    Raises:
        DataError: no such file, no ONNX file, or none that this library wrote.
        UnknownNameError: no such backend.
        ConfigError: a precision that the backend or the processor does not have.
        MissingDependencyError: the backend's package is not installed.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.deployment.exporting import export; from pylon_zoo.models.build import build_model
        >>> done = export(build_model("cam_test_resnet", 2), Path(mkdtemp(), "cam.onnx"), size=64)
        >>> load_exported(done.path).forward_heatmap(torch.zeros(3, 3, 64, 64)).shape
        torch.Size([3, 2, 2, 2])
    """
    return OnnxModel(path, backend, dtype)


class OnnxModel(nn.Module):
    """A file of `export(…, format="onnx")`, run on the CPU, described by its own metadata.

    Its attributes are those of `pylon_zoo.HeatmapModel`, and one more.

    Args:
        path, backend, dtype: see `load_exported`.

    Attributes:
        thresholds: as of `HeatmapClassifier`.

    Raises:
        DataError, UnknownNameError, ConfigError, MissingDependencyError: as `load_exported` says.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.deployment.exporting import export; from pylon_zoo.models.build import build_model
        >>> done = export(build_model("cam_test_resnet", 2), Path(mkdtemp(), "cam.onnx"), size=64)
        >>> OnnxModel(done.path)(torch.zeros(3, 3, 64, 64)).shape
        torch.Size([3, 2])
    """

    has_heatmap = True
    if TYPE_CHECKING:  # torch says no more than that a module can be called

        def __call__(self, x: Tensor) -> Tensor: ...

    def __init__(self, path: str | Path, backend: str = "onnxruntime", dtype: torch.dtype | None = None) -> None:
        super().__init__()
        runtime, dtype = find_runtime(backend, dtype)
        path = Path(path)
        if not path.is_file():
            raise DataError(f"'{path}' is not a file: write one with `pylon-zoo export`.")
        try:
            opened = runtime.open(path, dtype)
            values = from_props(opened.props)
        except PylonZooError:
            raise
        except Exception as error:  # the runtimes' have no common base
            raise DataError(f"'{path}' cannot be read as an ONNX file: export it again.") from error
        missing = [key for key in METADATA if key not in values]
        if missing:
            raise DataError(f"'{path}' does not say its {', '.join(missing)}: write it with `pylon-zoo export`.")
        self._run, self._sides, self._path = opened.run, opened.sides, path
        self.architecture: str = values["architecture"]
        self.label_names: tuple[str, ...] = tuple(values["label_names"])
        self.num_classes = len(self.label_names)
        self.in_chans: int = values["in_chans"]
        self.activation: str = values["activation"]
        thresholds: list[float] | None = values["thresholds"]
        self.thresholds = None if thresholds is None else tuple(thresholds)
        self.heatmap_unit: str = values["heatmap_unit"]
        self._cells: dict[str, Any] = values["cells"]
        self.pretrained_cfg: dict[str, Any] = {
            **{key: values[key] for key in ("input_size", "mean", "std", "interpolation")},
            "num_classes": self.num_classes,
        }
        # Whoever runs a model asks its parameters for device and precision.
        self.anchor = nn.Parameter(torch.zeros(()), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K) of normalised images (N, C, H, W)."""
        return self.forward_with_heatmap(x)[0]

    def forward_heatmap(self, x: Tensor) -> Tensor:
        """Heatmaps (N, K, h, w), raw."""
        return self.forward_with_heatmap(x)[1]

    def forward_with_heatmap(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and heatmaps (N, K, h, w), both float32.

        Raises:
            ConfigError: `x` is not a batch of images with the file's channels, or not of a size it takes.
        """
        self._check(x)
        return self._run(x.detach().float().cpu())

    def _check(self, x: Tensor) -> None:
        """Say in a sentence what a runtime would say in many."""
        if x.ndim != 4 or x.shape[1] != self.in_chans:
            raise ConfigError(
                f"The input has shape {tuple(x.shape)}, but '{self._path}' takes (N, {self.in_chans}, H, W): convert "
                "the images, as pylon_zoo.preprocess(model) does."
            )
        sides = tuple(x.shape[2:])
        if any(wanted not in (None, side) for side, wanted in zip(sides, self._sides, strict=True)):
            raise ConfigError(
                f"The images are {sides[0]}×{sides[1]} pixels, but '{self._path}' was exported for "
                f"{self._sides[0]}×{self._sides[1]} alone: resize them, or export it without a size."
            )
        if not len(x) or min(sides) < MIN_SIDE:
            raise ConfigError(
                f"The input has shape {tuple(x.shape)}, but '{self._path}' takes one image or more, of {MIN_SIDE} "
                "pixels or more each way: pad smaller ones."
            )

    def cell_grid(self, size: int | tuple[int, int]) -> CellGrid:
        """Which pixels the heatmap's cells are centred on, for images of that size (a side, or (H, W))."""
        return grid_from(self._cells, as_pair("size", size))

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits (N, K) to probabilities (N, K), float32 in [0, 1]."""
        return ACTIVATIONS[self.activation](logits.float())
