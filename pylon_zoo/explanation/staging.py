"""A folder that is filled completely or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pylon_zoo.errors import ConfigError


@contextmanager
def staged(out: str | Path, last: str) -> Iterator[Path]:
    """Collect files in a hidden folder inside `out`; move them in place when all went well.

    Files of the same names are replaced, others in `out` are left alone. After an error or an interruption `out` is
    what it was before.

    Args:
        out: the folder to fill; made if it is not there.
        last: the file that is moved after all others, so that whoever sees it sees everything it refers to.

    Yields:
        The folder to write to.

    Raises:
        ConfigError: `out` is a file, cannot be made or cannot be written to.
    """
    out = Path(out)
    existed = out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=out))
    except FileExistsError as error:
        raise ConfigError(f"The output {str(out)!r} is a file; give a folder.") from error
    except OSError as error:
        raise ConfigError(f"The output folder {str(out)!r} cannot be written to: {error.strerror}.") from error
    try:
        yield stage
        files = sorted(path.relative_to(stage) for path in stage.rglob("*") if path.is_file())
        for file in sorted(files, key=lambda file: file == Path(last)):
            (out / file).parent.mkdir(parents=True, exist_ok=True)
            (stage / file).replace(out / file)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if not existed:
            with suppress(OSError):  # not empty: it worked
                out.rmdir()
