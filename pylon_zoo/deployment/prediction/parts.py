"""The result in parts, each written whole or not at all, until they are joined into one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pylon_zoo.deployment.prediction.manifest import Manifest, check_same
from pylon_zoo.deployment.prediction.places import Place
from pylon_zoo.deployment.prediction.rows import METADATA_KEY
from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.optional import require

if TYPE_CHECKING:
    import pyarrow

MANIFEST = "run.json"
COMPRESSION = "zstd"


class Parts:
    """The folder `FILE.parts` beside the result `FILE`: `run.json`, and a Parquet file for every so many rows.

    Args:
        out: where the result goes.
        rows_per_part: rows in each part but the last.
        total: rows in all.
    """

    def __init__(self, out: Place, rows_per_part: int, total: int) -> None:
        self.out = out
        self.folder = out.sibling(".parts")
        self.rows_per_part = rows_per_part
        self.total = total
        self.count = -(-total // rows_per_part)

    @property
    def are_open(self) -> bool:
        """Whether there is something left to do; False when the result is complete."""
        return self.folder.inside(MANIFEST).is_file()

    def prepare(self, manifest: Manifest, overwrite: bool) -> None:
        """Make the folder, or find what a run of the same manifest left: its parts, or the result itself.

        Args:
            manifest: of this run.
            overwrite: forget whatever is there.

        Raises:
            ConfigError: what is there is from another run, or is no result at all; or nothing can be written there.
        """
        if self.out.is_folder():
            raise ConfigError(f"--out {self.out} is a folder: give the name of a file, such as {self.out}.parquet.")
        if overwrite:
            self.folder.remove()
        elif self.are_open:
            check_same(_read_manifest(self.folder.inside(MANIFEST)), manifest, self.folder)
        elif self.out.is_file():
            check_same(_manifest_of(self.out), manifest, self.out)
            return
        self.folder.prepare()
        self.folder.inside(MANIFEST).write(json.dumps(manifest, indent=2, sort_keys=True) + "\n")

    def check(self, manifest: Manifest) -> None:
        """That the folder belongs to a run with this manifest.

        Raises:
            ConfigError: it does not.
        """
        check_same(_read_manifest(self.folder.inside(MANIFEST)), manifest, self.folder)

    def rows_in(self, part: int) -> int:
        """How many rows a part has when it is complete."""
        return min(self.rows_per_part, self.total - part * self.rows_per_part)

    def is_done(self, part: int) -> bool:
        """Whether a part is there and complete."""
        parquet = require("pyarrow.parquet", extra="predict")
        try:
            with self._place(part).opened() as file:
                return bool(parquet.read_metadata(file).num_rows == self.rows_in(part))
        except (OSError, require("pyarrow", extra="predict").ArrowException):
            return False

    def write(self, part: int, rows: Mapping[int, Mapping[str, Any]], schema: pyarrow.Schema) -> None:
        """Write a part.

        Args:
            part: counted from 0.
            rows: number of the row → its values; those left out are null.
            schema: of the result.
        """
        pa, parquet = require("pyarrow", extra="predict"), require("pyarrow.parquet", extra="predict")
        table = pa.Table.from_pylist([rows[number] for number in sorted(rows)], schema=schema)
        with self._place(part).replacing() as temporary:
            parquet.write_table(table, temporary, compression=COMPRESSION)

    def join(self, schema: pyarrow.Schema) -> int:
        """Move all parts into the result, one after the other, and remove their folder.

        Returns:
            How many rows have an error.

        Raises:
            DataError: a part is missing.
        """
        parquet = require("pyarrow.parquet", extra="predict")
        missing = [str(self._place(part)) for part in range(self.count) if not self.is_done(part)]
        if missing:
            raise DataError(f"The part {missing[0]} is not there or not complete: run the same command again.")
        failed = 0
        with (
            self.out.replacing() as temporary,
            parquet.ParquetWriter(temporary, schema, compression=COMPRESSION) as file,
        ):
            for part in range(self.count):
                with self._place(part).opened() as opened:
                    table = parquet.ParquetFile(opened).read()
                failed += len(table) - table["error"].null_count
                file.write_table(table, row_group_size=len(table))
        self.folder.remove()
        return failed

    def failed(self) -> int:
        """How many rows of the complete result have an error."""
        with self.out.opened() as file:
            table = require("pyarrow.parquet", extra="predict").ParquetFile(file)
            return sum(len(batch) - batch.column(0).null_count for batch in table.iter_batches(columns=["error"]))

    def _place(self, part: int) -> Place:
        return self.folder.inside(f"{part:05d}.parquet")


def _read_manifest(place: Place) -> Mapping[str, Any]:
    try:
        with place.opened() as file:
            manifest: Mapping[str, Any] = json.loads(file.read())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{place} cannot be read ({error}). Use --overwrite to start anew.") from error
    return manifest


def _manifest_of(out: Place) -> Mapping[str, Any]:
    """What a finished result says of its run."""
    parquet = require("pyarrow.parquet", extra="predict")
    try:
        with out.opened() as file:
            manifest: Mapping[str, Any] = json.loads(parquet.read_schema(file).metadata[METADATA_KEY])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{out} exists and is no result of pylon-zoo predict. Give another --out, or --overwrite to replace it."
        ) from error
    return manifest
