"""The real client against a Hub on the loopback interface: the right bytes, or one clear error."""

from __future__ import annotations

from hashlib import sha256

import pytest
from loopback_hub import LoopbackHub

from pylon_zoo.weights.hub import verified_download

REPO, FILE = "org/model", "model.safetensors"
CONTENT = bytes(range(256)) * 400
DIGEST = sha256(CONTENT).hexdigest()


@pytest.fixture
def commit(hub: LoopbackHub) -> str:
    """A repository with one large and one small file; its commit."""
    return hub.add(REPO, {FILE: CONTENT, "config.json": b"{}"})


def fetch(revision: str | None = None, digest: str | None = DIGEST) -> bytes:
    return verified_download(REPO, FILE, revision=revision, sha256=digest).read_bytes()


@pytest.mark.parametrize("digest", [DIGEST, None], ids=["manifest's hash", "server's hash"])
def test_the_published_bytes_come_back(digest: str | None, commit: str) -> None:
    assert fetch(digest=digest) == fetch(commit, digest) == CONTENT
