"""An exported ONNX file in the place of a model: `explain` and `evaluate` take it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pylon_zoo.cells import CellGrid
from pylon_zoo.deployment.formats import open_session, session_runner
from pylon_zoo.deployment.metadata import METADATA, from_props, grid_from
from pylon_zoo.errors import DataError, MissingDependencyError
from pylon_zoo.models.contract import ACTIVATIONS
from pylon_zoo.models.options import as_pair


class OnnxModel(nn.Module):
    """A file of `export(…, format="onnx")`, run by onnxruntime on the CPU, described by its own metadata.

    Its attributes are those of `pylon_zoo.HeatmapModel`, and one more.

    Args:
        path: of the file.

    Attributes:
        thresholds: as of `HeatmapClassifier`.

    Raises:
        DataError: no such file, no ONNX file, or none that this library wrote.
        MissingDependencyError: onnxruntime is not installed.

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

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        path = Path(path)
        if not path.is_file():
            raise DataError(f"'{path}' is not a file: write one with `pylon-zoo export`.")
        try:
            session = open_session(path)
            values = from_props(session.get_modelmeta().custom_metadata_map)
        except MissingDependencyError:
            raise
        except Exception as error:  # onnxruntime's have no common base
            raise DataError(f"'{path}' cannot be read as an ONNX file: export it again.") from error
        missing = [key for key in METADATA if key not in values]
        if missing:
            raise DataError(f"'{path}' does not say its {', '.join(missing)}: write it with `pylon-zoo export`.")
        self._run = session_runner(session)
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
        """Logits (N, K) and heatmaps (N, K, h, w), both float32."""
        return self._run(x.float().cpu())

    def cell_grid(self, size: int | tuple[int, int]) -> CellGrid:
        """Which pixels the heatmap's cells are centred on, for images of that size (a side, or (H, W))."""
        return grid_from(self._cells, as_pair("size", size))

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits (N, K) to probabilities (N, K), float32 in [0, 1]."""
        return ACTIVATIONS[self.activation](logits.float())
