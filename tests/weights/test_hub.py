"""Files of a Hub on the loopback interface: which are asked for, when, and what they are checked against."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from loopback_hub import LoopbackHub
from systems import link

from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.weights.hub import split_address, verified_download

REPO, FILE, SMALL = "org/model", "model.safetensors", "config.json"
CONTENT = bytes(range(256)) * 400
DIGEST = sha256(CONTENT).hexdigest()


@pytest.fixture
def commit(hub: LoopbackHub) -> str:
    """A repository with one large and one small file; its commit."""
    return hub.add(REPO, {FILE: CONTENT, SMALL: b"{}"})


def fetch(revision: str | None = None, digest: str | None = DIGEST) -> bytes:
    return verified_download(REPO, FILE, revision=revision, sha256=digest).read_bytes()


@pytest.mark.parametrize("digest", [DIGEST, None], ids=["manifest's hash", "server's hash"])
def test_the_published_bytes_come_back(digest: str | None, commit: str) -> None:
    assert fetch(digest=digest) == fetch(commit, digest) == CONTENT


def test_a_small_file_is_checked_by_gits_hash(commit: str) -> None:
    path = verified_download(REPO, SMALL, revision=None, sha256=None)
    assert path.read_bytes() == b"{}"
    path.resolve().write_bytes(b"[]")
    with pytest.raises(WeightsError, match=r"config\.json of org/model .* is not the file that was published"):
        verified_download(REPO, SMALL, revision=commit, sha256=None)


def test_branches_tags_and_commits_are_revisions(hub: LoopbackHub, commit: str) -> None:
    hub.repos[REPO].refs["v1"] = commit
    hub.add(REPO, {FILE: CONTENT[::-1]})
    assert fetch("v1") == fetch(commit) == CONTENT
    assert fetch("main", None) == fetch(None, None) == CONTENT[::-1]


def test_a_pinned_file_in_the_cache_needs_no_request(hub: LoopbackHub, commit: str) -> None:
    fetch(commit)
    requests = len(hub.log)
    assert fetch(commit) == fetch(commit, None) == CONTENT
    assert len(hub.log) == requests


def test_the_token_is_sent_to_the_hub_and_never_to_the_storage(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(REPO, {FILE: CONTENT}, private=True)
    assert fetch() == CONTENT
    assert {authorized for path, authorized in hub.authorized if path.startswith("/objects/")} == {False}
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(WeightsError, match="no such repository, or it is private"):
        fetch("other")


def test_a_tampered_file_in_the_cache_is_named_evicted_and_replaced_by_the_next_load(commit: str) -> None:
    path = verified_download(REPO, FILE, revision=commit, sha256=DIGEST)
    blob = path.resolve()
    blob.write_bytes(b"x" + CONTENT[1:])
    with pytest.raises(WeightsError, match=rf"expected {DIGEST}.*was removed from the cache") as error:
        fetch(commit)
    assert str(path) in str(error.value)
    assert not blob.exists()
    assert not path.is_symlink()
    assert fetch(commit) == CONTENT


def test_what_cannot_be_evicted_is_said(commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    verified_download(REPO, FILE, revision=commit, sha256=DIGEST).resolve().write_bytes(b"x")

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(WeightsError, match=r"could not be removed \(Read-only file system\): delete it"):
        fetch(commit)


def test_a_cache_without_links_asks_the_server_for_the_hash(
    hub: LoopbackHub, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    monkeypatch.setattr("huggingface_hub.file_download.are_symlinks_supported", lambda cache_dir=None: False)
    path = verified_download(REPO, FILE, revision=commit, sha256=None)
    assert not path.is_symlink()
    path.write_bytes(b"x")
    with pytest.raises(WeightsError, match=f"expected {DIGEST}"):
        fetch(commit, None)
    assert fetch(commit, None) == CONTENT
    hub.fail("503", methods=("HEAD",))
    with pytest.raises(WeightsError, match="answered 503"):
        fetch(commit, None)
    assert fetch(commit, DIGEST) == CONTENT


def test_a_cache_that_links_into_a_shared_store(commit: str, tmp_path: Path) -> None:
    path = verified_download(REPO, FILE, revision=commit, sha256=None)
    blob, stored = path.resolve(), tmp_path / ("b" * 64)  # the store has names of its own
    blob.rename(stored)
    link(blob, stored)
    assert fetch(commit, None) == CONTENT
    stored.write_bytes(b"x")
    with pytest.raises(WeightsError, match=f"expected {DIGEST}.*was removed"):
        fetch(commit, None)
    assert not any(one.is_symlink() or one.exists() for one in (path, blob, stored))
    assert fetch(commit, None) == CONTENT


def test_a_backend_that_fails_in_its_own_way(commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("Data processing error: CAS\nmore")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", fail)
    with pytest.raises(WeightsError, match=r"cannot be had from the Hub: Data processing error: CAS\.$"):
        fetch()


# -- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("hf-hub:org/name", ("org/name", None)),
        ("hf-hub:org/name@main", ("org/name", "main")),
        ("hf-hub:a-b_c/d.e-f@refs/pr/1", ("a-b_c/d.e-f", "refs/pr/1")),
        (f"hf-hub:org/name@{'0' * 40}", ("org/name", "0" * 40)),
    ],
)
def test_an_address_is_a_repository_and_a_revision(address: str, parts: tuple[str, str | None]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize(
    "address",
    [
        "org",
        "org/",
        "/name",
        "org/name/more",
        "../name",
        "org/..",
        "org/na..me",
        "org/na--me",
        "org/na me",
        "org/näme",
        "org/name@",
        "org/name@../../etc",
        "org/name@/etc",
        "org/name@a b",
        "https://huggingface.co/org/name",
        "",
    ],
)
@pytest.mark.usefixtures("no_network")
def test_what_is_no_address_is_refused_without_a_request(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address on the Hub"):
        split_address(f"hf-hub:{address}")


@pytest.mark.parametrize(
    "call",
    [
        lambda: verified_download("org/..", FILE, revision=None, sha256=None),
        lambda: verified_download(REPO, FILE, revision="../x", sha256=None),
        lambda: verified_download(REPO, "../x", revision=None, sha256=None),
        lambda: verified_download(REPO, "/etc/passwd", revision=None, sha256=None),
        lambda: verified_download(REPO, "", revision=None, sha256=None),
    ],
)
@pytest.mark.usefixtures("no_network")
def test_names_that_lead_elsewhere_are_refused(call: Callable[[], Path]) -> None:
    with pytest.raises(ConfigError):
        call()
