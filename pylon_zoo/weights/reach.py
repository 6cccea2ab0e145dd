"""Whether the Hub answers: asked once and briefly, where huggingface_hub tries again for most of a minute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 5.0  # in which a server that can be reached answers


def hub_answers(seconds: float = SECONDS) -> bool:
    """Whether there is a Hub at the other end of the network, whatever it says.

    Args:
        seconds: how long to wait for an answer.

    Example:
        >>> isinstance(hub_answers(seconds=0.5), bool)
        True
    """
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=seconds)
    except Exception:  # whatever a proxy, a resolver or the socket has to say, there is no Hub
        return False
    return True


def within_reach(repo: str, filename: str) -> bool:
    """Whether it is worth asking for a file: it is in the cache, or the Hub answers at all.

    In offline mode it is: huggingface_hub says no by itself then, at once.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    return constants.is_offline_mode() or isinstance(try_to_load_from_cache(repo, filename), str) or hub_answers()


@contextmanager
def offline_where_unreachable(seconds: float = SECONDS) -> Iterator[bool]:
    """Put huggingface_hub into its offline mode for the length of a `with`, if the Hub does not answer.

    Files in its cache are then found at once, and others are refused at once.

    Args:
        seconds: how long to wait for an answer.

    Yields:
        Whether files can be had from the Hub.

    Example:
        >>> with offline_where_unreachable(seconds=0.5) as reachable:
        ...     isinstance(reachable, bool)
        True
    """
    from huggingface_hub import constants

    reachable = not constants.HF_HUB_OFFLINE and hub_answers(seconds)
    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, not reachable
    try:
        yield reachable
    finally:
        constants.HF_HUB_OFFLINE = before
