"""What to do when a server does not give a file: try again after a while, or say why not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pylon_zoo.waits import in_words

ResultT = TypeVar("ResultT")

TRIES = 6  # in a row without progress
FIRST_WAIT = 1.0  # seconds; twice as many each time
LONGEST_WAIT = 120.0  # seconds, however long a server asks for


class BreakError(Exception):
    """It did not work this time, and may the next.

    Args:
        reason: what happened, as a clause that names the host.
        asked_for: seconds that the server asks to wait.
    """

    def __init__(self, reason: str, asked_for: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.asked_for = reason, asked_for


class RefusalError(Exception):
    """It does not work from this address.

    Args:
        reason: what happened, as a clause that names the host.
        advice: a sentence on what to do next.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.reason, self.advice = reason, advice


class StoppedError(Exception):
    """The user, or another file's error, ends all of it."""


@dataclass
class Watch:
    """What a download shares with whoever started it.

    Attributes:
        count: called with a number of bytes that have arrived; below 0 where they turned out to be of no use.
        say: called with a sentence about something that takes longer.
        stop: set to end it as soon as possible.
    """

    count: Callable[[int], None]
    say: Callable[[str], None]
    stop: threading.Event

    def check(self) -> None:
        """Raises:
        StoppedError: it was stopped.
        """
        if self.stop.is_set():
            raise StoppedError

    def wait(self, seconds: float) -> None:
        """Raises:
        StoppedError: it was stopped in that time.
        """
        if self.stop.wait(seconds):
            raise StoppedError


def persist(action: Callable[[], ResultT], progress: Callable[[], int], watch: Watch) -> ResultT:
    """The result of an action, tried again after each break, with longer and longer waits.

    Args:
        action: what may raise `BreakError`.
        progress: how far it has come; farther than ever before starts the count of breaks anew.
        watch: says how long it waits, and ends the wait.

    Raises:
        RefusalError: `TRIES` breaks in a row.
        StoppedError: it was stopped while it waited.

    Example:
        >>> quiet = Watch(lambda size: None, lambda sentence: None, threading.Event())
        >>> persist(lambda: "all of it", lambda: 0, quiet)
        'all of it'
    """
    breaks, farthest = 0, progress()
    while True:
        try:
            return action()
        except BreakError as error:
            reached = progress()
            breaks, farthest = (1, reached) if reached > farthest else (breaks + 1, farthest)
            if breaks == TRIES:
                raise RefusalError(f"{error.reason}, {TRIES} times in a row", _advice(error)) from error
            wait = FIRST_WAIT * 2 ** (breaks - 1) if error.asked_for is None else error.asked_for
            capped = min(wait, LONGEST_WAIT)
            asked = f" instead of the {in_words(wait)} it asks for" if wait > capped else ""
            watch.say(f"{error.reason}: trying again in {in_words(capped)}{asked}")
            watch.wait(capped)


def _advice(error: BreakError) -> str:
    later = "later" if error.asked_for is None else f"in {in_words(error.asked_for)}"
    return f"Run the same command again {later}; it goes on from what has arrived."
