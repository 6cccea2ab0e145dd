"""`predict` for batches that something else shares out over machines: Ray Data, or whatever maps Arrow tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pylon_zoo.deployment.optimization import optimize
from pylon_zoo.deployment.prediction.explained import explained
from pylon_zoo.deployment.prediction.items import Item
from pylon_zoo.deployment.prediction.loading import Loader, batches, load
from pylon_zoo.deployment.prediction.manifest import make_manifest
from pylon_zoo.deployment.prediction.parquet_source import Columns, id_column, image_column, is_struct
from pylon_zoo.deployment.prediction.precision import dtype_of
from pylon_zoo.deployment.prediction.rows import failed_row, row, schema
from pylon_zoo.errors import ConfigError
from pylon_zoo.explanation.explainer import Explainer
from pylon_zoo.optional import require
from pylon_zoo.preprocessing import eval_transform

if TYPE_CHECKING:
    import pyarrow

    from pylon_zoo.models.contract import HeatmapClassifier

WHERE = "The batch"


class BatchPredictor:
    """Arrow table of images in, Arrow table of findings out: the rows of `pylon-zoo predict`, in the batch's order.

    The class is an actor of Ray Data as it is: each worker makes one, which loads the model once, and calls it with
    batch after batch. It keeps nothing between batches, so one that is computed again after a worker's death gives the
    same rows. An image that cannot be read is a row with its `error`.

        ray.data.read_binary_files("s3://bucket/scans", include_paths=True).map_batches(
            BatchPredictor, fn_constructor_kwargs={"model": "pylon_resnet18.phantom_cxr"}, batch_format="pyarrow"
        ).write_parquet("s3://bucket/found")

    Args:
        model: a name with a tag, or a classifier of this library.
        checkpoint: in its place, a checkpoint's or a run's folder, which every worker must be able to read.
        labels, threshold, placement, views: as for `pylon_zoo.explain`.
        native_size, optimized: as for `predict_to_parquet`.
        batch_size: images per pass of the model, of equal size; 1 gives `explain`'s numbers to the last bit.
        columns: where batches keep images and names. By default the image is the only column of bytes, or `image`;
            without one, names are paths or addresses that the worker opens itself.
        source: the column whose text becomes `source`; None leaves it null.
        device: None takes a GPU where there is one.

    Raises:
        ConfigError: neither or both of model and checkpoint, or an option that cannot work.
        UnknownNameError, WeightsError: the model's weights cannot be had.
        MissingDependencyError: pyarrow is not installed.

    Example:
        >>> import pyarrow as pa; from pylon_zoo.models.build import build_model
        >>> predictor = BatchPredictor(build_model("pylon_test_resnet", 2, in_chans=1), device="cpu")
        >>> predictor(pa.table({"path": ["nowhere.png"]}))["error"].to_pylist()
        ["'nowhere.png' does not exist: check the path."]
    """

    def __init__(
        self,
        model: str | HeatmapClassifier | None = None,
        *,
        checkpoint: str | Path | None = None,
        labels: Iterable[str] | None = None,
        threshold: float | None = None,
        placement: str = "exact",
        views: str = "none",
        native_size: bool = False,
        optimized: str | None = None,
        batch_size: int = 32,
        columns: Columns = Columns(),  # noqa: B008 (immutable)
        source: str | None = None,
        device: str | None = None,
    ) -> None:
        if (model is None) == (checkpoint is None):
            raise ConfigError("A predictor needs a model or a checkpoint, and not both: give one of them.")
        require("pyarrow", extra="predict")
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        loaded, name = _load(model, checkpoint)
        loaded = loaded.to(device).eval()
        running = loaded if optimized is None else optimize(loaded, dtype=dtype_of(optimized))
        self._explainer = Explainer(running, labels, threshold=threshold, placement=placement, views=views)
        self._loader = Loader(eval_transform(loaded), native_size)
        self._batch_size, self._columns, self._source = batch_size, columns, source
        options = {
            "labels": list(self._explainer.labels),
            "thresholds": list(self._explainer.thresholds.values),
            "thresholds_from": self._explainer.thresholds.source,
            "placement": placement,
            "views": views,
            "native_size": native_size,
            "batch_size": batch_size,
            "optimized": optimized,
            "device": torch.device(device).type,
        }
        self._schema = schema(self._explainer.labels, False, False, make_manifest(loaded, name, options, {}))

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        """Findings of a batch.

        Args:
            batch: a column of encoded images, bytes or `{bytes, path}`, and one of names; or names alone, which are
                then paths or addresses.

        Returns:
            A row for each, in order, with the columns of `pylon_zoo.deployment.prediction.rows.schema`; its metadata
            says which model and options made it.

        Raises:
            ConfigError: no such column, or none that names the images.
        """
        pa = require("pyarrow", extra="predict")
        items = list(self._items(batch))
        rows: dict[int, dict[str, Any]] = {}
        for images in batches(load(items, self._loader, self._batch_size, 0), self._batch_size, max(len(items), 1)):
            for one, found in explained(self._explainer, images):
                rows[one.number] = failed_row(one, found) if isinstance(found, str) else row(one, found)
        return pa.Table.from_pylist([rows[number] for number in sorted(rows)], schema=self._schema)

    def _items(self, batch: pyarrow.Table) -> Iterator[Item]:
        images = image_column(WHERE, batch.schema, self._columns.image, needed=False)
        named = id_column(WHERE, batch.schema, self._columns.id)
        if named is None and not (images and is_struct(batch.schema.field(images).type)):
            raise ConfigError(
                f"{WHERE} has no column that names its images: name one with columns=Columns(id=…), or add it."
            )
        values: list[Any] = batch[images].to_pylist() if images else [None] * len(batch)
        names = batch[named].to_pylist() if named else [(value or {}).get("path") for value in values]
        if self._source is not None and self._source not in batch.schema.names:
            raise ConfigError(
                f"{WHERE} has no column {self._source!r}, which source= names: it has {batch.schema.names}."
            )
        sources = batch[self._source].to_pylist() if self._source else [""] * len(batch)
        for number, (value, name, source) in enumerate(zip(values, names, sources, strict=True)):
            content, file = (value["bytes"], value["path"]) if isinstance(value, dict) else (value, None)
            name = "" if name is None else str(name)
            one = Item(name, str(source), "row", content=content, number=number)
            if content is None:
                file = file if images else name
                error = "" if file else f"'{name}' has no image: fill it in."
                one = one._replace(kind="file" if file else "problem", file=file or "", error=error)
            yield one


def _load(model: str | HeatmapClassifier | None, checkpoint: str | Path | None) -> tuple[HeatmapClassifier, str]:
    """The model, and how results name it."""
    if checkpoint is not None:
        from pylon_zoo.weights.checkpoint import load_checkpoint

        return load_checkpoint(checkpoint), str(checkpoint)
    if isinstance(model, str):
        from pylon_zoo.factory import create_model

        return create_model(model, pretrained=True), model
    assert model is not None  # as was checked
    return model, model.architecture
