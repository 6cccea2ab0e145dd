"""What a model says about one image and where it says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pylon_zoo.cells import CellGrid, tiling, to_pixels
from pylon_zoo.data.dicom import NamedBytes
from pylon_zoo.errors import UnknownNameError
from pylon_zoo.explanation.dicom.source import Source
from pylon_zoo.explanation.dicom.writing import KINDS, write_dicom
from pylon_zoo.explanation.finding import Finding
from pylon_zoo.explanation.labels import unknown_label
from pylon_zoo.explanation.notebook import explanation_html
from pylon_zoo.explanation.overlay import Scene, display_size, render_overlay
from pylon_zoo.explanation.peaks import find_boxes, find_peak
from pylon_zoo.explanation.thresholds import HALF, Thresholds


@dataclass(frozen=True, eq=False)
class Explanation:
    """Probabilities and heatmaps of one image. Everything that costs time is computed when first asked for.

    The probability a map shows at a place is what the class's probability would be if that place alone decided its
    logit: the sigmoid of the map; for a softmax model, the softmax with the other classes' logits as they are. With
    max pooling its highest value is therefore the class's probability. Heatmaps of an attribution method are no logits
    and compare within one map only: there, what stands for a probability below is a place's share of its map's maximum,
    0 where the map is negative.

    Attributes:
        path: of the image; empty for an image that came from memory.
        image: the original, (C, H, W), uint8 or float32 in [0, 1], 1 or 3 channels.
        labels: K class names, in the order asked for.
        probabilities: (K,) float32 in [0, 1].
        native_heatmaps: (K, h, w) float32 raw values at the model's own resolution.
        half_logits: (K,) float32, the logits that mean a probability of one half: 0 for a sigmoid.
        activation: `"sigmoid"` or `"softmax"`.
        thresholds: of each label, the probability from which on it is found and a place belongs to a box and lies
            inside the contour, and where they come from. Shares of a maximum are no probabilities: there places go by
            what was asked for, and by one half otherwise.
        scaling: `"absolute"`: overlays colour probabilities from 0 to 1; `"image"`: from each map's minimum to its
            maximum, as in the paper's figures. Nothing else depends on it.
        unit: of the heatmaps, `"logit"` or `"relevance"` (an attribution method's).
        grid: which pixels of the original image the maps' cells are centred on; None draws them as tiles of the image
            (`placement="paper"`).

    Example:
        >>> from pylon_zoo.explanation.explainer import explain; from pylon_zoo.models.build import build_model
        >>> model = build_model("pylon_test_resnet", 2, label_names=["crack", "dent"])
        >>> explanation = explain(model, torch.rand(3, 48, 40))
        >>> explanation.labels, explanation.resolution, explanation.probability_map("dent").shape
        (('crack', 'dent'), '40x40', torch.Size([48, 40]))
    """

    path: str
    image: Tensor = field(repr=False)
    labels: tuple[str, ...]
    probabilities: Tensor
    native_heatmaps: Tensor = field(repr=False)
    half_logits: Tensor = field(repr=False)
    thresholds: Thresholds
    activation: str = "sigmoid"
    scaling: str = "absolute"
    unit: str = "logit"
    grid: CellGrid | None = None
    _findings: dict[str, Finding] = field(default_factory=dict, init=False, repr=False)

    @property
    def width(self) -> int:
        """Width of the original image in pixels."""
        return self.image.shape[2]

    @property
    def height(self) -> int:
        """Height of the original image in pixels."""
        return self.image.shape[1]

    @property
    def resolution(self) -> str:
        """The map's own size, width x height, as `"64x64"`: finer detail than this is interpolation."""
        height, width = self.native_heatmaps.shape[1:]
        return f"{width}x{height}"

    @property
    def cells(self) -> CellGrid:
        """Where the maps' cells are drawn: first and step, in pixels of the original image."""
        height, width = self.native_heatmaps.shape[1:]
        return self.grid or tiling((height, width), (self.height, self.width))

    @cached_property
    def heatmaps(self) -> Tensor:
        """(K, H, W) float32 raw values at the size of the original image, bilinear between the centres of cells.

        All K maps of a large image take memory; `native_heatmaps` and `probability_map` do not.
        """
        return to_pixels(self.native_heatmaps, (self.height, self.width), self.grid)

    def native_probability_map(self, label: str) -> Tensor:
        """(h, w) float32 in [0, 1]: one class's map as probabilities at the model's own resolution."""
        index = self.index(label)
        if self.unit == "relevance":
            heatmap = self.native_heatmaps[index].clamp(min=0)
            return heatmap / heatmap.max().clamp(min=torch.finfo(heatmap.dtype).tiny)
        return (self.native_heatmaps[index] - self.half_logits[index]).sigmoid()

    def probability_map(self, label: str, size: tuple[int, int] | None = None) -> Tensor:
        """One class's map as probabilities.

        Args:
            label: the class.
            size: (H, W) to upsample to; None is the original image's.

        Returns:
            (H, W) float32 in [0, 1], bilinear in probabilities, as the paper evaluates maps.

        Raises:
            UnknownNameError: no such label.
        """
        own = (self.height, self.width)
        size = size or own
        grid = None if self.grid is None else self.grid.scaled(own, size)
        return to_pixels(self.native_probability_map(label), size, grid).clamp(0, 1)

    def finding(self, label: str) -> Finding:
        """Probability, peak and boxes of one class.

        Raises:
            UnknownNameError: no such label.
        """
        if label not in self._findings:
            shown = self.native_probability_map(label)
            level = self.level(label)
            reached = bool(shown.max() >= level)  # interpolation never exceeds its neighbours
            # A map of relevance may be negative everywhere and still has a peak.
            peaked = self.native_heatmaps[self.index(label)] if self.unit == "relevance" else shown
            self._findings[label] = Finding(
                label=label,
                probability=float(self.probabilities[self.index(label)]),
                peak=find_peak(peaked, (self.height, self.width), self.grid),
                boxes=find_boxes(self.probability_map(label).numpy(), level) if reached else (),
                threshold=self.thresholds.values[self.index(label)],
            )
        return self._findings[label]

    def scaled(self, scaling: str) -> Explanation:
        """The same, its overlays coloured otherwise; what was found so far is kept.

        Args:
            scaling: as the attribute.
        """
        other = replace(self, scaling=scaling)
        other._findings.update(self._findings)
        return other

    def level(self, label: str) -> float:
        """The value of a class's probability map from which on a place belongs to a box.

        Raises:
            UnknownNameError: no such label.
        """
        own = self.thresholds.values[self.index(label)]
        return HALF if self.unit == "relevance" and self.thresholds.source != "asked" else own

    def ends(self, label: str) -> tuple[float, float]:
        """The values of a class's probability map that the first and the last colour stand for.

        Raises:
            UnknownNameError: no such label.
        """
        if self.scaling == "absolute":
            return 0.0, 1.0
        native = self.native_probability_map(label)
        return float(native.min()), float(native.max())

    def ranking(self) -> list[tuple[str, float]]:
        """Labels and probabilities, the most probable first."""
        order = self.probabilities.argsort(descending=True, stable=True).tolist()
        return [(self.labels[index], float(self.probabilities[index])) for index in order]

    def top(self, count: int | None = None) -> tuple[Finding, ...]:
        """The `count` most probable findings, the most probable first; None is all of them."""
        return tuple(self.finding(label) for label, _ in self.ranking()[:count])

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All classes, the most probable first."""
        return self.top()

    def overlay(self, label: str | None = None, **options: Any) -> Image.Image:
        """The class's map over the image, with caption.

        Args:
            label: the class; None is the most probable one.
            **options: of `pylon_zoo.explanation.overlay.render_overlay`.

        Returns:
            An RGB picture.

        Raises:
            UnknownNameError: no such label.
        """
        return render_overlay(self.scene(self.ranking()[0][0] if label is None else label), **options)

    def scene(self, label: str) -> Scene:
        """What there is to draw of one class, for the functions of `pylon_zoo.explanation.overlay`.

        Raises:
            UnknownNameError: no such label.
        """
        finding = self.finding(label)
        width, height = display_size(self.width, self.height)
        middle = "0.5" if self.scaling == "absolute" else "own scale"
        return Scene(
            image=self.image,
            label=label,
            probability=finding.probability,
            found=finding.found,
            peak=finding.peak,
            values=self.probability_map(label, (height, width)).numpy(),
            level=self.level(label),
            ends=self.ends(label),
            middle="share of max" if self.unit == "relevance" else middle,
            facts=f"{self.resolution} map, peak at ({finding.peak.x}, {finding.peak.y})",
        )

    def _repr_html_(self) -> str:
        """How a notebook shows it: the most probable class's map, and the probabilities."""
        return explanation_html(self)

    def to_dicom(
        self,
        folder: str | Path,
        *,
        model_name: str,
        source: str | Path | NamedBytes | Source | None = None,
        labels: Iterable[str] | None = None,
        kinds: Iterable[str] = tuple(KINDS),
        when: datetime | None = None,
    ) -> list[Path]:
        """Write DICOM objects of the same patient and study as the image (needs the extra `[dicom-out]`).

        `map_*.dcm` are Parametric Maps of `probability_map`, float32 at the size of the image; `segmentation.dcm` has
        the regions that reach the threshold, a segment for each class with one, and is left out where there is none;
        `capture_*.dcm` are Secondary Captures of `overlay`; `report.dcm` is a Comprehensive SR by TID 1500 with every
        class's probability, threshold, peak and boxes. All say that they are for research use only. UIDs follow from
        what is written, so the same explanation by the same version always has the same.

        Args:
            folder: made if it is not there; files of the same names are replaced.
            model_name: what objects call the model.
            source: the DICOM file that was explained, or its bytes; None is `path`.
            labels: classes whose maps and overlays are written, in this order; None is the three most probable.
            kinds: keys of `pylon_zoo.explanation.dicom.writing.KINDS`.
            when: date and time of the objects; None is now. With the same, files are the same to the byte.

        Returns:
            The files written.

        Raises:
            ImageError: the source is no DICOM image, names no patient and study, has another size than what was
                explained, or is not given for an image from memory.
            UnknownNameError: no such label or kind.
            ConfigError: `folder` cannot be one.
            MissingDependencyError: highdicom is not installed.
        """
        return write_dicom(self, folder, model_name=model_name, source=source, labels=labels, kinds=kinds, when=when)

    def index(self, label: str) -> int:
        """Position of a label in `labels`, `probabilities` and the maps.

        Raises:
            UnknownNameError: no such label.
        """
        if label not in self.labels:
            raise UnknownNameError(unknown_label(label, self.labels))
        return self.labels.index(label)
