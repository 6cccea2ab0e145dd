"""The bytes of one checkpoint, whether the file is the checkpoint or an archive with checkpoints inside."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from pylon_zoo.errors import ConfigError, UnknownNameError, WeightsError, suggest
from pylon_zoo.weights.integrity import read_bytes
from pylon_zoo.weights.pickles import ZIP_PICKLE, ZIP_START

SUFFIXES = (".pkl", ".pt", ".pth", ".ckpt", ".bin")


def checkpoint_bytes(path: Path, member: str | None = None) -> tuple[bytes, str]:
    """The content of a checkpoint, and what to call it.

    Args:
        path: a checkpoint, or a zip or tar archive (compressed or not) with checkpoints inside.
        member: which one of several: its path in the archive, or its name where that tells it from the others.

    Raises:
        ConfigError: the archive holds several and none was chosen, or one was chosen of a file that is no archive.
        UnknownNameError: it holds no such member.
        WeightsError: the file cannot be read, or the archive holds no checkpoint.
    """
    content = read_bytes(path)
    if content.lstrip()[:1] == b"<":
        raise WeightsError(
            f"{path} is a web page, not a checkpoint. Open its link in a browser and confirm the download."
        )
    try:
        members = _members(content)
        if members is None:
            if member is not None:
                raise ConfigError(f"{path} is no archive, so there is no {member!r} to choose in it. Leave it out.")
            return content, str(path)
        chosen = _choose(members, member, path)
        return members[chosen](), f"{chosen!r} in {path}"
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, tarfile.TarError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{path} cannot be unpacked: {error}. Download it again, or unpack it yourself.") from error


def _members(content: bytes) -> Mapping[str, Callable[[], bytes]] | None:
    """Path → reader of each checkpoint in an archive; None for any other file, a checkpoint of PyTorch among them."""
    if content.startswith(ZIP_START):
        archive = zipfile.ZipFile(io.BytesIO(content))
        if any(name.endswith(f"/{ZIP_PICKLE}") for name in archive.namelist()):
            return None
        readers = {name: partial(archive.read, name) for name in archive.namelist()}
    else:
        try:
            tar = tarfile.open(fileobj=io.BytesIO(content))  # noqa: SIM115
        except tarfile.ReadError:
            return None
        readers = {entry.name: partial(_tar_read, tar, entry) for entry in tar.getmembers() if entry.isfile()}
    return {name: read for name, read in readers.items() if _is_checkpoint(PurePosixPath(name))}


def _tar_read(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(entry)
    assert file is not None  # as of any regular file
    return file.read()


def _is_checkpoint(path: PurePosixPath) -> bool:
    # macOS adds a file "._NAME" of its own for each NAME it packs.
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._")


def _choose(members: Mapping[str, object], member: str | None, path: Path) -> str:
    if not members:
        raise WeightsError(f"{path} is an archive without checkpoints ({', '.join(SUFFIXES)}). Give another file.")
    listed = ", ".join(members)
    if member is None:
        if len(members) > 1:
            raise ConfigError(
                f"{path} holds {len(members)} checkpoints: {listed}. Say which one with member (--member)."
            )
        return next(iter(members))
    found = [name for name in members if member in (name, PurePosixPath(name).name)]
    exact = [name for name in found if name == member] or found
    if len(exact) != 1:
        raise UnknownNameError(f"{path} holds no one member {member!r}.{suggest(member, members)} It holds: {listed}.")
    return exact[0]
