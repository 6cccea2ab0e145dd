"""What stands at a web address, and the copy that is kept of it for when the address cannot be reached."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from pylon_zoo.errors import WeightsError
from pylon_zoo.files import write_together

URLS = ("http://", "https://")
SECONDS = 10.0
"""In which a server that can be reached answers."""


class UnreachableError(WeightsError):
    """Nothing can be had from an address, or from a path; the message is one sentence."""


def fetch(url: str) -> bytes:
    """What stands at an address.

    Args:
        url: the address.

    Raises:
        UnreachableError: it cannot be had; names the address.
    """
    from huggingface_hub.errors import HTTPError
    from huggingface_hub.utils import get_session

    try:
        response = get_session().get(url, follow_redirects=True, timeout=SECONDS)
        response.raise_for_status()
    except (HTTPError, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UnreachableError(f"The manifest {url} cannot be had: {reason}.") from error
    return response.content


def keep(url: str, content: bytes) -> None:
    """Keep a copy of what stands at an address, in huggingface_hub's cache of assets, if that can be written."""
    place = _place(url)
    with contextlib.suppress(OSError):  # a cache that cannot be written is one without a copy
        place.parent.mkdir(parents=True, exist_ok=True)
        write_together(place.parent, {place.name: content})


def kept_copy(url: str) -> bytes | None:
    """What stood at an address when it was last kept on this machine; None where nothing is."""
    try:
        return _place(url).read_bytes()
    except OSError:
        return None


def _place(url: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_ASSETS_CACHE, "pylon_zoo", "manifests", hashlib.sha256(url.encode()).hexdigest()[:32])
