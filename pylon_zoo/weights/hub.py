"""Files from the Hugging Face Hub: the bytes that were published, or an error.

huggingface_hub downloads and keeps them, with its cache, progress bar, offline mode and token; it does not look at
their content. That is done here, on every load: against the manifest's sha256 where there is one, otherwise against the
Hub's own name of the content, which is the sha256 of large files and git's hash of the others. The cache keeps it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.weights.hub_errors import hub_error
from pylon_zoo.weights.integrity import read_bytes
from pylon_zoo.weights.patience import short_waits

HUB = "hf-hub:"
REPO = r"(?!.*(\.\.|--))[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*"
REVISION = r"(?!.*\.\.)[A-Za-z0-9_][\w./-]*"
COMMIT = r"[0-9a-f]{40}"
SHA256 = r"[0-9a-f]{64}"


def split_address(address: str) -> tuple[str, str | None]:
    """Repository and revision of `hf-hub:org/name[@revision]`.

    Raises:
        ConfigError: it is not of that form.

    Example:
        >>> split_address("hf-hub:org/name@v1")
        ('org/name', 'v1')
    """
    repo, at, revision = address.removeprefix(HUB).partition("@")
    if not re.fullmatch(REPO, repo, re.ASCII) or (at and not re.fullmatch(REVISION, revision, re.ASCII)):
        raise ConfigError(
            f"{address!r} is no address on the Hub. Give 'hf-hub:org/name' or 'hf-hub:org/name@revision', the revision "
            "a branch, a tag or a commit."
        )
    return repo, revision or None


def verified_download(repo: str, filename: str, *, revision: str | None, sha256: str | None) -> Path:
    """A file of a repository, in the cache, once it has proved to be what was published.

    Args:
        repo: `org/name`.
        filename: its path in the repository.
        revision: branch, tag or commit; None is `main`. With a commit's 40 digits and the file in the cache, there is
            no request at all.
        sha256: what the file must be; None checks it against the Hub's own name of its content.

    Returns:
        Its place in the cache.

    Raises:
        ConfigError: not the name of a repository, revision or file.
        WeightsError: it cannot be had, or is something else; it is removed from the cache then.
    """
    return download(repo, filename, revision=revision, sha256=sha256)[0]


def download(repo: str, filename: str, *, revision: str | None, sha256: str | None) -> tuple[Path, bytes]:
    """The same, with the bytes that were checked."""
    split_address(f"{HUB}{repo}" if revision is None else f"{HUB}{repo}@{revision}")
    if not filename or ".." in Path(filename).parts or Path(filename).is_absolute():
        raise ConfigError(f"{filename!r} is no file of a repository. Give its path in {repo}.")
    path = _cached(repo, filename, revision)
    content = read_bytes(path)
    expected = sha256 or _published_name(repo, filename, path)
    found = _name_of(content, like=expected)
    if found != expected:
        raise WeightsError(
            f"{filename} of {repo} ({path}) is not the file that was published: expected {expected}, found {found} "
            f"({len(content)} bytes). {_evict(path)}"
        )
    return path, content


def commit_of(path: Path, filename: str) -> str:
    """The commit a file in the cache belongs to: the folder it lies in bears its name."""
    return path.parents[len(Path(filename).parts) - 1].name


def _cached(repo: str, filename: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        with short_waits():
            return Path(hf_hub_download(repo, filename, revision=revision))
    except Exception as error:  # it fails in every way that networks, disks, servers and its own backends can
        raise hub_error(error, _wish(repo, filename, revision), repo) from error


def _wish(repo: str, filename: str, revision: str | None) -> str:
    return f"{filename} of {repo}{f' at {revision}' if revision else ''} cannot be had from the Hub"


def _published_name(repo: str, filename: str, path: Path) -> str:
    """The Hub's name of a file's content: in the cache, the name of the file that the snapshot links to."""
    # One link only: that file may itself be a link into a store that several caches share, under yet another name.
    name = path.readlink().name if path.is_symlink() else _etag(repo, filename, commit_of(path, filename))
    if not re.fullmatch(f"{SHA256}|{COMMIT}", name):
        raise WeightsError(f"{filename} of {repo} cannot be checked: {name!r} is no hash. Give the weights' sha256.")
    return name


def _etag(repo: str, filename: str, revision: str) -> str:
    """The same from the server, for a cache that has no links."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    try:
        with short_waits():
            return get_hf_file_metadata(hf_hub_url(repo, filename, revision=revision)).etag or ""
    except Exception as error:
        raise hub_error(error, _wish(repo, filename, revision), repo) from error


def _name_of(content: bytes, like: str) -> str:
    """A content's sha256, or git's hash where the name to compare with is one."""
    if re.fullmatch(COMMIT, like):
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return hashlib.sha256(content).hexdigest()


def _links(path: Path) -> Iterator[Path]:
    """A link, the link it points to, and so on."""
    while path.is_symlink():
        yield path
        path = path.parent / path.readlink()


def _evict(path: Path) -> str:
    """Remove a file from the cache, all that leads to it included; what to do next."""
    try:
        for one in [path.resolve(), *_links(path)]:
            one.unlink(missing_ok=True)
    except OSError as error:
        return f"It could not be removed ({error.strerror}): delete it, then load again."
    return "It was removed from the cache: load again for a fresh copy; if that fails too, the source is wrong."
