"""Many images into one folder: `results.json`, an overlay per finding, `report.html`, and the raw maps on request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from pylon_zoo.errors import ConfigError, PylonZooError
from pylon_zoo.explanation.dicom.source import EXTRA, no_dicom, read_source
from pylon_zoo.explanation.dicom.source import Source as Identity
from pylon_zoo.explanation.explainer import Explainer, check_finite
from pylon_zoo.explanation.names import ImageNames, overlay_name
from pylon_zoo.explanation.overlay import render_overlay, with_caption
from pylon_zoo.explanation.report import Report
from pylon_zoo.explanation.result import Explanation
from pylon_zoo.explanation.staging import staged
from pylon_zoo.optional import require

if TYPE_CHECKING:
    from pylon_zoo.models.heatmap_model import HeatmapModel

RESULTS = "results.json"
REPORT = "report.html"
DICOM = "dicom"

Source = str | Path | tuple[str, Any]
"""A path, or a name with an image from memory."""


def explain_to_folder(
    model: HeatmapModel,
    images: Sequence[Source],
    out: str | Path,
    *,
    model_name: str,
    labels: str | Iterable[str] | None = None,
    top: int = 3,
    threshold: float | None = None,
    scaling: str = "absolute",
    placement: str = "exact",
    views: str = "none",
    batch_size: int = 8,
    save_heatmaps: bool = False,
    dicom: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Explain images and write what was found; an image that cannot be explained does not stop the others.

    Writes `results.json`, `report.html`, `overlays/*.png` and, with `save_heatmaps`, `heatmaps/*.npz` (arrays
    `heatmaps` (K, h, w) float32 raw logits, `probabilities` (K,), `labels` (K,), `cells`, the first cell's centre and
    the step, each (vertical, horizontal) in pixels of the image, and the image's `path`). With `dicom`, every image has
    a folder of objects in `dicom/`, as `Explanation.to_dicom` writes them. All of it appears at the end or not at all.

    Args:
        model: whatever gives heatmaps.
        images: paths, or `(name, image)` pairs for images from memory.
        out: the folder; made if it is not there, files of the same names are replaced.
        model_name: how results name the model.
        labels, threshold, scaling, placement, views: as for `pylon_zoo.explanation.explainer.explain`.
        top: findings per image, the most probable first, whether or not they reach the threshold.
        batch_size: images per pass of the model.
        save_heatmaps: keep the raw maps.
        dicom: write DICOM objects; an image that is no DICOM file of a patient and study then counts as one that cannot
            be explained.
        progress: show a progress bar on stderr.

    Returns:
        The content of `results.json`: `{"model", "thresholds": {"source", "values": {label: probability}}, "images":
        [{"path", "width", "height", "error", "findings":
        [{"label", "probability", "peak": {"x", "y"}, "overlay"}]}]}`. Sizes and peaks in pixels of the original
        image, `overlay` relative to `out`; after an error, `findings` is empty and the sizes are None. With `dicom`,
        images that were explained have a key `"dicom"` besides: the files, relative to `out`.

    Raises:
        UnknownNameError: a label, scaling or views that do not exist.
        ConfigError: an option with an impossible value, or an `out` that cannot be written to.
        MissingDependencyError: `dicom` without highdicom.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.models.build import build_model
        >>> model = build_model("pylon_test_resnet", 2, label_names=["crack", "dent"], in_chans=1)
        >>> out = Path(mkdtemp(), "report")
        >>> grey = np.zeros((64, 64), np.uint8)
        >>> found = explain_to_folder(model, [("grey", grey)], out, model_name="untrained", top=1)
        >>> len(found["images"][0]["findings"]), (out / "report.html").exists()
        (1, True)
    """
    for option, value in (("top", top), ("batch_size", batch_size)):
        if value < 1:
            raise ConfigError(f"{option}={value} must be at least 1.")
    if dicom:
        require("highdicom", extra=EXTRA)
    explainer = Explainer(model, labels, threshold=threshold, scaling=scaling, placement=placement, views=views)
    with staged(out, last=RESULTS) as folder, tqdm(total=len(images), unit=" images", disable=not progress) as bar:
        writer = _Writer(folder, model_name, explainer, top, save_heatmaps)
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            for path, outcome, identity in _explain_each(explainer, batch, dicom):
                if isinstance(outcome, Explanation):
                    writer.add(outcome, identity)
                else:
                    writer.add_error(path, outcome)
                bar.update()
        return writer.finish()


def _explain_each(
    explainer: Explainer, batch: Sequence[Source], dicom: bool
) -> Iterator[tuple[str, Explanation | PylonZooError, Identity | None]]:
    """Path and explanation, or path and error, of every image of a batch, in order; with `dicom`, whose it is, too."""
    outcomes: list[tuple[str, Any, Identity | None]] = []
    for source in batch:
        path, image = source if isinstance(source, tuple) else (str(source), source)
        try:
            identity = _identity(source) if dicom else None
            outcomes.append((path, explainer.load(image, path), identity))
        except PylonZooError as error:
            outcomes.append((path, error, None))
    loaded = [outcome for _, outcome, _ in outcomes if not isinstance(outcome, PylonZooError)]
    explanations = iter(explainer.run(loaded) if loaded else ())
    for path, outcome, identity in outcomes:
        if isinstance(outcome, PylonZooError):
            yield path, outcome, None
            continue
        try:
            yield path, check_finite(next(explanations)), identity
        except PylonZooError as error:
            yield path, error, None


def _identity(source: Source) -> Identity:
    """Whose image it is."""
    if isinstance(source, tuple):
        raise no_dicom(source[0])
    return read_source(source)


class _Writer:
    """Puts one image after the other into a folder."""

    def __init__(self, folder: Path, model_name: str, explainer: Explainer, top: int, save_heatmaps: bool) -> None:
        self.folder = folder
        self.model_name = model_name
        self.started = datetime.now()
        self.top = top
        self.save_heatmaps = save_heatmaps
        self.names = ImageNames()
        self.report = Report(model_name)
        chosen = explainer.thresholds
        values = dict(zip(explainer.labels, chosen.values, strict=True))
        self.results: dict[str, Any] = {
            "model": model_name,
            "thresholds": {"source": chosen.source, "values": values},
            "images": [],
        }
        (folder / "overlays").mkdir()
        if save_heatmaps:
            (folder / "heatmaps").mkdir()

    def add(self, explanation: Explanation, identity: Identity | None) -> None:
        name = self.names.take(explanation.path)
        entry: dict[str, Any] = {
            "path": explanation.path,
            "width": explanation.width,
            "height": explanation.height,
            "error": None,
            "findings": [],
        }
        if identity is not None:
            try:
                entry["dicom"] = self._write_dicom(name, explanation, identity)
            except PylonZooError as error:
                self.add_error(explanation.path, error)
                return
        pictures = []
        for rank, finding in enumerate(explanation.top(self.top), start=1):
            scene = explanation.scene(finding.label)
            picture = render_overlay(scene, caption=False)
            overlay = f"overlays/{overlay_name(name, rank, finding.label)}"
            with_caption(picture, scene).save(self.folder / overlay, compress_level=4)
            pictures.append(picture)
            entry["findings"].append(
                {
                    "label": finding.label,
                    "probability": round(finding.probability, 6),
                    "peak": {"x": finding.peak.x, "y": finding.peak.y},
                    "overlay": overlay,
                }
            )
        if self.save_heatmaps:
            np.savez_compressed(
                self.folder / "heatmaps" / f"{name}.npz",
                heatmaps=explanation.native_heatmaps.numpy(),
                probabilities=explanation.probabilities.numpy(),
                labels=np.array(explanation.labels),
                cells=np.array([explanation.cells.first, explanation.cells.step]),
                path=np.array(explanation.path),
            )
        self.results["images"].append(entry)
        self.report.add(entry, explanation, pictures)

    def _write_dicom(self, name: str, explanation: Explanation, identity: Identity) -> list[str]:
        """The image's objects, by their files relative to the folder."""
        labels = [finding.label for finding in explanation.top(self.top)]
        files = explanation.to_dicom(
            self.folder / DICOM / name,
            model_name=self.model_name,
            source=identity,
            labels=labels,
            when=self.started,
        )
        return [file.relative_to(self.folder).as_posix() for file in files]

    def add_error(self, path: str, error: PylonZooError) -> None:
        entry: dict[str, Any] = {"path": path, "width": None, "height": None, "error": str(error), "findings": []}
        self.results["images"].append(entry)
        self.report.add_error(entry)

    def finish(self) -> dict[str, Any]:
        # File names need not be valid Unicode: JSON escapes such characters, HTML can only replace them.
        (self.folder / REPORT).write_text(self.report.html(), "utf-8", errors="replace", newline="\n")
        text = json.dumps(self.results, indent=2, allow_nan=False)
        (self.folder / RESULTS).write_text(text + "\n", encoding="utf-8", newline="\n")
        return self.results
