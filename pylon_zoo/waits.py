"""How long a server asks to be left alone, and how that is said."""

from __future__ import annotations

import math
import time
from email.utils import parsedate_to_datetime


def seconds_of(retry_after: str | None) -> float | None:
    """How long a header Retry-After asks to wait; None where it says nothing that can be understood.

    Args:
        retry_after: seconds, or a date as HTTP writes it.

    Example:
        >>> seconds_of("3600"), seconds_of("soon"), seconds_of("Wed, 21 Oct 2015 07:28:00 GMT")
        (3600.0, None, 0.0)
    """
    text = (retry_after or "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def in_words(seconds: float) -> str:
    """A wait for people.

    Example:
        >>> in_words(1), in_words(20), in_words(3600)
        ('1 second', '20 seconds', '60 minutes')
    """
    number, unit = (seconds, "second") if seconds < 120 else (seconds / 60, "minute")
    whole = math.ceil(number)
    return f"{whole} {unit}" if whole == 1 else f"{whole} {unit}s"
