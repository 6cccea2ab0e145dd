"""Several things at a time."""

from __future__ import annotations

import threading
import time

import pytest

from pylon_zoo.data.download import threads as module
from pylon_zoo.data.download.patience import StoppedError
from pylon_zoo.data.download.threads import for_each


def test_everything_is_done_several_at_a_time():
    meeting = threading.Barrier(3, timeout=30)
    done: list[int] = []

    def action(item: int) -> None:
        meeting.wait()
        done.append(item)

    assert for_each(range(6), action, 3, threading.Event()) == []
    assert sorted(done) == list(range(6))


def test_an_error_does_not_keep_the_others_from_being_done():
    done: list[int] = []

    def action(item: int) -> None:
        if item == 1:
            raise ValueError(item)
        done.append(item)

    (error,) = for_each(range(4), action, 1, threading.Event())
    assert str(error) == "1"
    assert done == [0, 2, 3]


def test_what_is_stopped_is_no_error_and_nothing_is_begun_after_it():
    stop = threading.Event()
    begun: list[int] = []

    def action(item: int) -> None:
        begun.append(item)
        stop.set()
        raise StoppedError

    assert for_each(range(4), action, 1, stop) == []
    assert begun == [0]


def test_nothing_to_do():
    assert for_each([], print, 4, threading.Event()) == []


def test_an_interrupt_stops_the_others_and_waits_for_none_that_hangs(monkeypatch):
    monkeypatch.setattr(module, "LEAVE", 0.05)
    stop, free, hanging = threading.Event(), threading.Event(), threading.Event()
    real = threading.Thread.join

    def action(item: int) -> None:
        hanging.set()
        free.wait(60)

    def join(thread: threading.Thread, timeout: float) -> None:
        if not stop.is_set() and hanging.wait(60):
            raise KeyboardInterrupt
        real(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", join)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        for_each([1, 2], action, 2, stop)
    assert stop.is_set()
    assert time.monotonic() - begun < 30
    free.set()
