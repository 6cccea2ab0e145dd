"""Several files at a time, and all of them left at once when the user says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from pylon_zoo.data.download.patience import StoppedError

ItemT = TypeVar("ItemT")

LOOK = 0.5  # seconds between two looks at the threads
LEAVE = 2.0  # seconds for a thread to notice that it is stopped; one that waits for a silent server does not


def for_each(
    items: Sequence[ItemT], action: Callable[[ItemT], None], threads: int, stop: threading.Event
) -> list[Exception]:
    """Do something with every item, several at a time; an error of one does not keep the others from being done.

    Args:
        items: what to go through, in about this order.
        action: called in threads.
        threads: how many at a time.
        stop: no item is begun once it is set; set when the caller's thread is interrupted.

    Returns:
        What was raised, in the order in which it happened; nothing for items that were stopped.

    Example:
        >>> done = []
        >>> for_each([1, 2, 3], done.append, threads=2, stop=threading.Event())
        []
        >>> sorted(done)
        [1, 2, 3]
    """
    waiting: SimpleQueue[ItemT] = SimpleQueue()
    for item in items:
        waiting.put(item)
    errors: list[Exception] = []

    def work() -> None:
        while not stop.is_set():
            try:
                item = waiting.get_nowait()
            except Empty:
                return
            try:
                action(item)
            except StoppedError:
                return
            except Exception as error:
                errors.append(error)

    # Daemons: an executor's threads would keep the process waiting for a server that says nothing.
    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(threads, len(items)))]
    try:
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            workers[0].join(LOOK)  # not for ever: on Windows that cannot be interrupted
            workers = [worker for worker in workers if worker.is_alive()] or workers
    except BaseException:
        stop.set()
        for worker in workers:
            worker.join(LEAVE)
        raise
    return errors
