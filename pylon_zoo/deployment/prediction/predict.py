"""The whole way: from inputs to one Parquet file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pylon_zoo import remote
from pylon_zoo.deployment.optimization import optimize
from pylon_zoo.deployment.prediction.dicom_files import PREDICTED, DicomFiles
from pylon_zoo.deployment.prediction.explained import explained
from pylon_zoo.deployment.prediction.heatmaps import CLASSES, WRITERS, HeatmapFiles
from pylon_zoo.deployment.prediction.loading import Loaded, Loader, batches, load
from pylon_zoo.deployment.prediction.manifest import listed, make_manifest, unlisted
from pylon_zoo.deployment.prediction.parquet_source import Columns, with_content
from pylon_zoo.deployment.prediction.parts import Parts
from pylon_zoo.deployment.prediction.places import place_of
from pylon_zoo.deployment.prediction.precision import dtype_of
from pylon_zoo.deployment.prediction.processes import joined
from pylon_zoo.deployment.prediction.rows import failed_row, row, schema
from pylon_zoo.deployment.prediction.sources import list_items
from pylon_zoo.errors import ConfigError, UnknownNameError, suggest
from pylon_zoo.explanation.explainer import Explainer
from pylon_zoo.files import make_folder
from pylon_zoo.optional import require
from pylon_zoo.preprocessing import eval_transform
from pylon_zoo.progress import bar

if TYPE_CHECKING:
    import pyarrow

    from pylon_zoo.models.contract import HeatmapClassifier


class Outcome(NamedTuple):
    """What came of a run.

    Attributes:
        images: rows in the file.
        failed: rows with an error.
        found_done: rows that an earlier, interrupted run had left.

    Example:
        >>> Outcome(images=5000, failed=50, found_done=1000).failed
        50
    """

    images: int
    failed: int
    found_done: int


def predict_to_parquet(
    model: HeatmapClassifier,
    inputs: Iterable[str | Path],
    out: str | Path,
    *,
    model_name: str,
    labels: Iterable[str] | None = None,
    threshold: float | None = None,
    placement: str = "exact",
    views: str = "none",
    native_size: bool = False,
    batch_size: int = 32,
    workers: int = 0,
    rows_per_part: int = 1000,
    heatmaps: str | None = None,
    heatmaps_dir: str | Path | None = None,
    heatmaps_of: str = "found",
    dicom_dir: str | Path | None = None,
    dicom_kinds: Iterable[str] = PREDICTED,
    columns: Columns = Columns(),  # noqa: B008 (immutable)
    optimized: str | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Outcome | None:
    """Predict many images; memory does not grow with their number.

    Rows are in the order of the inputs, see `pylon_zoo.deployment.prediction.sources.list_items`, and say what
    `pylon_zoo.explain` says of each image; columns are those of `pylon_zoo.deployment.prediction.rows.schema`. An
    image that cannot be read becomes a row with its `error`. The file appears at the end; until then finished parts
    wait in `OUT.parts`, and the same call continues there after an interruption and gives the same bytes. Under a
    launcher (torchrun, accelerate launch) processes share the parts, and the main one joins them.

    Args:
        model: any classifier of this library, on the device to use.
        inputs: folders, patterns, lists, shards, tables and images, here or at addresses.
        out: the Parquet file, or its address; its folder is made if it is not there.
        model_name: how the file names the model.
        labels, threshold, placement, views: as for `pylon_zoo.explain`.
        native_size: the model sees every image at its own height and width instead of at the model's size.
        batch_size: images per pass of the model, of equal size.
        workers: processes that load images; 0 is a thread.
        rows_per_part: rows that are lost at most, per process, when a run is interrupted.
        heatmaps: `"png"` or `"npz"` writes heatmaps to `heatmaps_dir`, see `read_heatmaps`; None writes none.
        heatmaps_dir: their folder, or its address.
        heatmaps_of: `"found"`, classes with a box, or `"all"`.
        dicom_dir: a folder for DICOM objects of images that are DICOM files, as `Explanation.to_dicom` writes them,
            with maps of classes with a box; None writes none.
        dicom_kinds: which: `"map"`, `"segmentation"`, `"report"`.
        columns: where Parquet inputs keep image and name.
        optimized: `"float32"` or `"bfloat16"` runs a copy made by `pylon_zoo.optimize` in that precision, sooner and
            with the numbers that `docs/speed.md` promises; None runs the model as it is.
        overwrite: forget an earlier result or interrupted run.
        progress: show a progress bar on stderr.

    Returns:
        The counts; None in processes other than the main one.

    Raises:
        ConfigError, UnknownNameError: an option that cannot work, or an earlier run with others.
        ImageError: a folder or pattern without an image, or no image at all.
        MissingDependencyError: pyarrow is not installed, or an address's driver, or, with `dicom_dir`, highdicom.

    Example:
        >>> from PIL import Image; from pylon_zoo.models.build import build_model
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new("L", (64, 48)).save(folder / "1.png")
        >>> model = build_model("pylon_test_resnet", 2, in_chans=1)
        >>> predict_to_parquet(model, [folder / "1.png"], folder / "found.parquet", model_name="untrained")
        Outcome(images=1, failed=0, found_done=0)
    """
    require("pyarrow.parquet", extra="predict")
    place = place_of(out)
    files = _heatmap_files(heatmaps, heatmaps_dir, heatmaps_of)
    dicom = DicomFiles.chosen(dicom_dir, dicom_kinds, model_name)
    running = model if optimized is None else optimize(model, dtype=dtype_of(optimized))
    explainer = Explainer(running, labels, threshold=threshold, placement=placement, views=views)
    inputs = list(inputs)
    if files is not None:
        _check_outside(files.folder, inputs, "--heatmaps-dir")
    if dicom is not None:
        _check_outside(dicom.folder, inputs, "--dicom-dir")
    beside = None if remote.is_remote(out) else make_folder(Path(out).parent)
    with joined() as processes, tempfile.TemporaryFile("w+", encoding="utf-8", dir=beside) as spool:
        found = listed(list_items(inputs, columns), spool)
        if not found["images"]:
            raise ConfigError("The inputs hold no image: check what --input names.")
        options = {
            "labels": list(explainer.labels),
            "thresholds": list(explainer.thresholds.values),
            "thresholds_from": explainer.thresholds.source,
            "placement": placement,
            "views": views,
            "native_size": native_size,
            "batch_size": batch_size,
            "optimized": optimized,
            "rows_per_part": rows_per_part,
            "device": next(model.parameters()).device.type,
            "heatmaps": heatmaps,
            "heatmaps_of": heatmaps_of if heatmaps else None,
            "dicom": dicom and list(dicom.kinds),
            "columns": columns._asdict(),
        }
        manifest = make_manifest(model, model_name, options, found)
        parts = Parts(place, rows_per_part, found["images"])
        if processes.is_main:
            parts.prepare(manifest, overwrite)
        processes.wait()
        if not parts.are_open:
            return Outcome(parts.total, parts.failed(), parts.total) if processes.is_main else None
        parts.check(manifest)
        mine = [part for part in range(processes.rank, parts.count, processes.count) if not parts.is_done(part)]
        missing = sum(map(parts.rows_in, mine))
        done = sum(parts.rows_in(part) for part in range(parts.count) if parts.is_done(part))
        processes.wait()  # until all have seen what there is
        wanted = set(mine)
        items = (item for item in unlisted(spool) if item.number // rows_per_part in wanted)
        loader = Loader(eval_transform(model), native_size, identities=dicom is not None)
        loaded = load(with_content(items, columns), loader, batch_size, workers)
        table = schema(explainer.labels, files is not None, dicom is not None, manifest)
        shown = bar(batches(loaded, batch_size, rows_per_part), "predicting", missing, progress and processes.is_main)
        _predict(explainer, shown, files, dicom, parts, table)
        processes.wait()
        return Outcome(parts.total, parts.join(table), done) if processes.is_main else None


def _predict(
    explainer: Explainer,
    batched: Iterable[list[Loaded]],
    files: HeatmapFiles | None,
    dicom: DicomFiles | None,
    parts: Parts,
    table: pyarrow.Schema,
) -> None:
    """Write every part whose images come, one after the other."""
    rows: dict[int, dict[str, Any]] = {}
    for batch in batched:
        part = batch[0].number // parts.rows_per_part
        for one, outcome in explained(explainer, batch):
            if isinstance(outcome, str):
                rows[one.number] = failed_row(one, outcome)
                continue
            rows[one.number] = row(one, outcome)
            if files is not None:
                rows[one.number]["heatmaps"] = files.write(outcome, one.number, part)
            if dicom is not None:
                rows[one.number] |= dicom.write(outcome, one, part)
        if len(rows) == parts.rows_in(part):
            parts.write(part, rows, table)
            rows = {}


def _heatmap_files(kind: str | None, folder: str | Path | None, classes: str) -> HeatmapFiles | None:
    if (kind is None) != (folder is None):
        raise ConfigError("Heatmaps need a kind and a folder: give both --heatmaps and --heatmaps-dir, or neither.")
    if kind is None or folder is None:
        return None
    for option, value, known in (("heatmaps", kind, WRITERS), ("heatmaps_of", classes, CLASSES)):
        if value not in known:
            raise UnknownNameError(f"{option}={value!r} is not one of {', '.join(known)}.{suggest(value, known)}")
    where = str(folder).rstrip("/") if remote.is_remote(folder) else str(make_folder(folder, "--heatmaps-dir"))
    return HeatmapFiles(where, kind, classes)


def _check_outside(folder: str | Path, inputs: Iterable[str | Path], option: str) -> None:
    """That what is written will not be taken for images when the run is continued."""
    for given in inputs:
        if remote.is_remote(given) or remote.is_remote(folder):
            lies = f"{folder}/".startswith(f"{str(given).rstrip('/')}/")
        else:
            lies = Path(given).is_dir() and Path(folder).resolve().is_relative_to(Path(given).resolve())
        if lies:
            raise ConfigError(
                f"{option} {folder} lies in the input {given}, so what is written would be taken for images: give a "
                "folder outside it."
            )
