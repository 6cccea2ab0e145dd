"""How long a server may make one wait: huggingface_hub sleeps for whatever it is told, an hour too, five times over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pylon_zoo.waits import in_words, seconds_of

LONGEST = 300.0
"""Seconds that are waited for at most: the window that the Hub counts requests in. Beyond, it is an error at once."""
RETRIED = (408, 429, 500, 502, 503, 504)
"""Answers that huggingface_hub waits after."""


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait before the next try, by `Retry-After`, or by the Hub's `RateLimit`.

    Args:
        headers: of the answer, whose names are found in any case (httpx's).

    Returns:
        None where it says nothing that can be read.

    Example:
        >>> asked_wait({"Retry-After": "3600"}), asked_wait({})
        (3600.0, None)
    """
    if limited := re.search(r";\s*t\s*=\s*(\d+)", headers.get("RateLimit", "")):
        return float(limited[1])
    return seconds_of(headers.get("Retry-After"))


def answered(response: Any) -> str:
    """What a server said that did not give what was asked for, and how long it wants to be left alone, if long."""
    wait = asked_wait(response.headers) or 0.0
    return f"the server answered {response.status_code}" + (
        f" and asks to wait {in_words(wait)}" if wait > LONGEST else ""
    )


@contextmanager
def short_waits() -> Iterator[None]:
    """For the length of a `with`, an answer that asks for more than `LONGEST` seconds is an error, not waited for.

    huggingface_hub then does what it does where a server goes on refusing: takes the file from its cache if it is
    there, or raises `HfHubHTTPError`, whose first line says how long a wait was asked for.
    """
    from huggingface_hub import get_session

    session = get_session()
    session.event_hooks["response"].append(_refuse_long_wait)
    try:
        yield
    finally:
        session.event_hooks["response"].remove(_refuse_long_wait)


def _refuse_long_wait(response: Any) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    if response.status_code in RETRIED and (asked_wait(response.headers) or 0.0) > LONGEST:
        raise HfHubHTTPError(answered(response), response=response)
