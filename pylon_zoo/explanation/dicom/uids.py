"""Unique identifiers that follow from what they name: the same content has the same one, whoever writes it and when."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID, uuid5

NAMESPACE = UUID("22307273-3692-40e0-9a46-ca80fe4b2176")
ROOT = "2.25."
"""PS3.5 B.2: what follows is a UUID as a decimal number."""


def derived_uid(*parts: str | bytes) -> str:
    """A UID of these parts in this order.

    Args:
        parts: texts and bytes.

    Returns:
        At most 44 digits and dots.

    Example:
        >>> derived_uid("a", "bc") == derived_uid("a", b"bc"), derived_uid("a", "bc") == derived_uid("ab", "c")
        (True, False)
    """
    digest = sha256()
    for part in parts:
        content = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big") + content)
    return f"{ROOT}{uuid5(NAMESPACE, digest.hexdigest()).int}"
