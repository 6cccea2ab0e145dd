"""What a Hub keeps: repositories as lists of commits, and large files by their sha256."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

LARGE = (".safetensors", ".bin", ".zip")  # kept as LFS objects, as the Hub does


@dataclass(frozen=True)
class Commit:
    """A snapshot of all files, and its name."""

    oid: str
    files: Mapping[str, bytes]


@dataclass
class Repo:
    """A repository.

    Attributes:
        private: only the token's owner sees it.
        gated: only those who were let in may download, and nobody was.
        commits: oldest first.
        refs: branch or tag → commit.
    """

    private: bool = False
    gated: bool = False
    commits: list[Commit] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, changes: Mapping[str, bytes | None], revision: str = "main") -> Commit:
        """Add a commit; None deletes a file."""
        base = dict(self.commits[-1].files) if self.commits else {}
        files = {path: content for path, content in (base | changes).items() if content is not None}
        digest = hashlib.sha1(str(len(self.commits)).encode())
        for path in sorted(files):
            digest.update(path.encode() + files[path])
        self.commits.append(Commit(digest.hexdigest(), files))
        self.refs[revision] = self.commits[-1].oid
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        """The commit a branch, a tag or 40 digits mean."""
        oid = self.refs.get(revision, revision)
        return next((commit for commit in self.commits if commit.oid == oid), None)


def is_large(path: str) -> bool:
    """Whether a file is an LFS object."""
    return path.endswith(LARGE)


def git_oid(content: bytes) -> str:
    """git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def info_of(path: str, content: bytes) -> dict[str, object]:
    """What the Hub says of a file before it is downloaded."""
    info: dict[str, object] = {"type": "file", "path": path, "size": len(content), "oid": git_oid(content)}
    if is_large(path):
        info["lfs"] = {"oid": etag(path, content), "size": len(content), "pointerSize": 134}
    return info


def etag(path: str, content: bytes) -> str:
    """What the Hub calls a file's content: the sha256 of large files, git's name of the others."""
    return hashlib.sha256(content).hexdigest() if is_large(path) else git_oid(content)
