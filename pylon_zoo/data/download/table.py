"""What the lines of the tables of releases are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

PAGE = "see the release's page in `pylon-zoo data download --list`"
"""How an error ends that only the release's publisher can help with."""


@dataclass(frozen=True)
class Unpacking:
    """What becomes of an archive.

    Attributes:
        into: the folder of the release that its files go to; `""` is the release's own.
        keep: shell wildcard on a member's whole path; others are left out.
        depth: how many of the last parts of a member's path are kept, so that 1 is its name alone; None keeps all.
    """

    into: str = ""
    keep: str = "*"
    depth: int | None = None


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server.

    Attributes:
        name: of its own in the release; where it goes in the release's folder, if it is not unpacked.
        addresses: `https://…` or `http://…`, tried in turn, all of the same bytes; or one `hub:org/name@commit/path`,
            a file of a dataset on the Hugging Face Hub, see `pylon_zoo.data.download.hub`.
        size: in bytes, as published; None where it is not.
        checksum: as published, `"sha256:…"`, `"md5:…"` or `"git:…"` (git's name of the content); `""` where it is not.
        unpacking: what becomes of an archive; None keeps the file as it is.
        headers: sent to the first server alone, and to none that it leads on to.
    """

    name: str
    addresses: tuple[str, ...]
    size: int | None = None
    checksum: str = ""
    unpacking: Unpacking | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A part of a release that may be asked for by name.

    Attributes:
        files: what belongs to it.
        default: whether it is downloaded where no parts are named.
        listed_in: a file of the release that lists, a line each, the images of archives that belong to the part; None
            is all of them.
        share: of the archives' images that are listed, about; for the disk's space.
        options: of the dataset, `KEY=VALUE`, that read this part.
    """

    files: tuple[RemoteFile, ...]
    default: bool = True
    listed_in: str | None = None
    share: float = 1.0
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Release:
    """A dataset that may be downloaded.

    Attributes:
        what: in a few words.
        terms: licence, or what its publishers ask for.
        home: a page that says more.
        sources: where it can be had from → part → its files; the first source is taken where none is named.
        about: its size where no published ones add up to it, in words.
        note: what else is worth knowing.
    """

    what: str
    terms: str
    home: str
    sources: Mapping[str, Mapping[str, Part]]
    about: str = ""
    note: str = ""

    def files(self, source: str) -> Iterator[RemoteFile]:
        """Every file of a source, once."""
        yield from {file.name: file for part in self.sources[source].values() for file in part.files}.values()


@dataclass(frozen=True)
class Way:
    """How to get a release that needs a login.

    Attributes:
        steps: sentences, and commands that begin with `$`; `{root}` is the folder.
        images: shell wildcards below the folder, and how many files they are in the release; None where that is not
            published.
        needed: shell wildcards of the lines of the release's SHA256SUMS.txt that the dataset's reader needs.
    """

    steps: tuple[str, ...]
    images: tuple[tuple[str, ...], int] | None = None
    needed: tuple[str, ...] = ("*",)


@dataclass(frozen=True)
class Agreement:
    """A dataset that its publishers hand out themselves, to those who agreed to their terms.

    Attributes:
        what, terms, home: as of a `Release`.
        sources: where it can be had from → how; the first is taken where none is named.
    """

    what: str
    terms: str
    home: str
    sources: Mapping[str, Way]
