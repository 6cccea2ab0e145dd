"""SIGTERM as Python treats Ctrl-C: an exception, so that files are left whole and the lock is let go."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM came, from a scheduler or from `kill`."""


@contextmanager
def terminating() -> Iterator[None]:
    """Raise `Terminated` where SIGTERM comes inside; afterwards it does what it did. Elsewhere than in the main thread
    Python cannot see signals, and nothing changes.

    Example:
        >>> try:
        ...     with terminating():
        ...         signal.raise_signal(signal.SIGTERM)
        ... except Terminated:
        ...     print("stopped")
        stopped
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
