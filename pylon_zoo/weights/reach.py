"""Whether the Hub answers: asked once and briefly, instead of tried again and again for every file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pylon_zoo.weights.hub import SECONDS


@contextmanager
def offline_where_unreachable(seconds: float = SECONDS) -> Iterator[bool]:
    """Put huggingface_hub into its offline mode for the length of a `with`, if the Hub does not answer.

    Files in its cache are then found at once, and others are refused at once; otherwise it tries each for most of a
    minute.

    Args:
        seconds: how long to wait for an answer.

    Yields:
        Whether files can be had from the Hub.

    Example:
        >>> with offline_where_unreachable(seconds=0.5) as reachable:
        ...     isinstance(reachable, bool)
        True
    """
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        yield False
        return
    try:
        get_session().head(constants.ENDPOINT, timeout=seconds)
    except Exception:  # whatever a proxy, a resolver or the socket has to say, there is no Hub
        constants.HF_HUB_OFFLINE = True
        try:
            yield False
        finally:
            constants.HF_HUB_OFFLINE = False
        return
    yield True
