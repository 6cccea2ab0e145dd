"""Everything that can go wrong between a Hub and its client, a line each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate


@dataclass(frozen=True)
class Fault:
    """One way to answer wrongly.

    Attributes:
        status: answered instead of the file.
        headers: sent with that status.
        change: what becomes of the body; its length is declared as it is then.
        sent: share of the body that is sent before the connection closes.
        stall: wait for `LoopbackHub.resume` in the middle of the body.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    change: Callable[[bytes], bytes] | None = None
    sent: float = 1.0
    stall: bool = False


def another_bit(body: bytes) -> bytes:
    """The same length, still a safetensors file, and other weights."""
    return body[:-3] + bytes([body[-3] ^ 4]) + body[-2:]


NO_FAULT = Fault()
FAULTS: dict[str, Fault] = {
    "corrupted": Fault(change=another_bit),
    "short": Fault(change=lambda body: body[: len(body) // 2]),
    "a web page": Fault(change=lambda body: b"<html>Sign in to this network</html>".ljust(len(body))),
    "cut": Fault(sent=0.5),
    "stalled": Fault(stall=True),
    "401": Fault(401, {"X-Error-Message": "Invalid credentials in Authorization header"}),
    "403 gated": Fault(
        403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to this repository is restricted"}
    ),
    "403": Fault(403, {"X-Error-Message": "Forbidden"}),
    "404": Fault(404, {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}),
    "429": Fault(429, {"Retry-After": "2"}),
    "429 an hour": Fault(429, {"Retry-After": "3600"}),
    "429 the window": Fault(429, {"RateLimit": '"api";r=0;t=3600'}),
    "503 tomorrow": Fault(503, {"Retry-After": formatdate(time.time() + 86_400, usegmt=True)}),
    "500": Fault(500),
    "503": Fault(503),
}
