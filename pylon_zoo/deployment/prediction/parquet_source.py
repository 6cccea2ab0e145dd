"""Parquet tables of encoded images: bytes, or the `{bytes, path}` of Hugging Face datasets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from pylon_zoo import remote
from pylon_zoo.deployment.prediction.items import Item
from pylon_zoo.errors import ConfigError, DataError, suggest
from pylon_zoo.optional import require

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

ID_COLUMNS = ("id", "image_id", "key", "path", "filename", "file_name", "name")
ROWS_AT_ONCE = 16
"""Rows whose images are in memory while a table is read."""


class Columns(NamedTuple):
    """Where a table keeps its images and their names; None takes the only one there can be, or none.

    Attributes:
        image: a column of bytes, or of structs `{bytes, path}`.
        id: a column whose values name the rows; by default one of `ID_COLUMNS`, else the struct's path, else the
            row's number.

    Example:
        >>> Columns(image="scan").id is None
        True
    """

    image: str | None = None
    id: str | None = None


def list_parquet(path: str | Path, columns: Columns) -> Iterator[Item]:
    """The rows of a table; images are not read, see `with_content`.

    Raises:
        ConfigError: no such column, or several that hold bytes.
        DataError: the file is no Parquet, or broken; what stands before is yielded first.
        MissingDependencyError: pyarrow is not installed.
    """
    with _opened(path) as table:
        image = _only_image_column(path, table.schema_arrow, columns.image)
        named = id_column(f"'{path}'", table.schema_arrow, columns.id)
        wanted = named or (f"{image}.path" if is_struct(table.schema_arrow.field(image).type) else None)
        row = 0
        for batch in _reading(path, table.iter_batches(1024, columns=[wanted or image])) if wanted else ():
            names = batch.column(0) if named else batch.column(0).field("path")
            for name in names.to_pylist():
                yield _item(path, row, name)
                row += 1
        for number in range(row, table.metadata.num_rows):
            yield _item(path, number, None)


def with_content(items: Iterable[Item], columns: Columns) -> Iterator[Item]:
    """The same items; those that are rows of tables hold their image's bytes. Rows left out are not decoded."""
    expected: tuple[str, int] = ("", 0)
    values: Iterator[Any] = iter(())
    for item in items:
        if item.kind != "row":
            yield item
            continue
        if (item.file, item.start) != expected:
            values = _values_from(item.file, columns, item.start)
        expected = (item.file, item.start + 1)
        yield _filled(item, values)


def _filled(item: Item, values: Iterator[Any]) -> Item:
    try:
        value = next(values)
    except StopIteration:
        error = f"'{item.file}' has changed or broken off before row {item.start + 1}: write it again."
        return item._replace(kind="problem", error=error)
    except DataError as error:
        return item._replace(kind="problem", error=str(error))
    content, file = (value["bytes"], value["path"]) if isinstance(value, dict) else (value, None)
    if content is None and file:
        return item._replace(kind="file", file=remote.joined(remote.parent_of(item.file), file))
    return item._replace(content=content)


def _values_from(path: str | Path, columns: Columns, first: int) -> Iterator[Any]:
    """The image column from a row on; row groups before it are not read."""
    with _opened(path) as table:
        image = _only_image_column(path, table.schema_arrow, columns.image)
        end = 0
        for group in range(table.num_row_groups):
            start, end = end, end + table.metadata.row_group(group).num_rows
            if end <= first:
                continue
            for batch in _reading(path, table.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=[image])):
                passed = min(max(first - start, 0), batch.num_rows)
                yield from (value.as_py() for value in batch.column(0).slice(passed))
                start += batch.num_rows


def _item(path: str | Path, row: int, name: Any) -> Item:
    return Item(f"{PurePath(path).name}#{row}" if name is None else str(name), str(path), "row", str(path), row)


@contextmanager
def _opened(path: str | Path) -> Iterator[ParquetFile]:
    parquet = require("pyarrow.parquet", extra="predict")
    try:
        source = remote.open_binary(path) if remote.is_remote(path) else path
        table = parquet.ParquetFile(source, pre_buffer=False, buffer_size=1 << 16)
    except (require("pyarrow", extra="predict").ArrowException, OSError) as error:
        raise _broken(path, error) from error
    try:
        yield table
    finally:
        table.close(force=True)


def _reading(path: str | Path, batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
    """The batches; pyarrow's errors in ours."""
    try:
        yield from batches
    except (require("pyarrow", extra="predict").ArrowException, OSError) as error:
        raise _broken(path, error) from error


def _broken(path: str | Path, error: BaseException) -> DataError:
    return DataError(f"'{path}' is not a whole Parquet file ({' '.join(str(error).split())}): copy or write it again.")


def is_struct(kind: pyarrow.DataType) -> bool:
    """Whether a column holds what Hugging Face datasets keep images in: `{bytes, path}`."""
    types = require("pyarrow.types", extra="predict")
    return types.is_struct(kind) and {"bytes", "path"} <= {kind.field(i).name for i in range(kind.num_fields)}


def _only_image_column(path: str | Path, schema: pyarrow.Schema, wanted: str | None) -> str:
    found = image_column(f"'{path}'", schema, wanted)
    assert found is not None  # as it is needed
    return found


def image_column(where: str, schema: pyarrow.Schema, wanted: str | None, *, needed: bool = True) -> str | None:
    """The column of encoded images.

    Args:
        where: what has the columns, for messages.
        schema: its columns.
        wanted: the name, where it was given.
        needed: refuse what has no column of bytes.

    Raises:
        ConfigError: no such column, several that hold bytes, or none though one is needed.
    """
    types = require("pyarrow.types", extra="predict")
    fits = [
        field.name
        for field in schema
        if types.is_binary(field.type) or types.is_large_binary(field.type) or is_struct(field.type)
    ]
    if wanted in fits or (wanted is None and len(fits) == 1):
        return wanted or fits[0]
    if wanted is None and ("image" in fits or not (fits or needed)):
        return "image" if fits else None
    listed = ", ".join(map(repr, fits)) or "none"
    what = f"no column {wanted!r} of image bytes" if wanted else "not exactly one column of image bytes"
    raise ConfigError(
        f"{where} has {what} (there is {listed}).{suggest(wanted or 'image', fits)} Name one with --image-column."
    )


def id_column(where: str, schema: pyarrow.Schema, wanted: str | None) -> str | None:
    """The column of names; None where there is none and none was named.

    Args:
        where, schema, wanted: as for `image_column`.

    Raises:
        ConfigError: no such column.
    """
    if wanted is None:
        return next((name for name in ID_COLUMNS if name in schema.names), None)
    if wanted not in schema.names:
        raise ConfigError(
            f"{where} has no column {wanted!r}; it has {', '.join(map(repr, schema.names))}."
            f"{suggest(wanted, schema.names)} Name one with --id-column."
        )
    return wanted
