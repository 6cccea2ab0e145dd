"""How long a server asks to be left alone is read as HTTP writes it, and said so that people read it."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from pylon_zoo.waits import in_words, seconds_of


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (" 90 ", 90),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header) == seconds


def test_a_date_in_the_future() -> None:
    assert seconds_of(formatdate(time.time() + 600, usegmt=True)) == pytest.approx(600, abs=5)


def test_words() -> None:
    said = [in_words(seconds) for seconds in (0, 1, 1.5, 119, 301, 86_400)]
    assert said == ["0 seconds", "1 second", "2 seconds", "119 seconds", "6 minutes", "1440 minutes"]
