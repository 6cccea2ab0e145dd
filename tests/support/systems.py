"""What not every system has, for tests that need it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals, limits or pipes")


def link(path: Path, target: Path | str) -> None:
    """Make a symbolic link; where the user may not (sys.platform "win32"), the test is skipped."""
    try:
        path.symlink_to(target)
    except OSError as error:
        pytest.skip(f"no links here: {error}")
