"""Where results go: a file or folder of this machine, or one at an address, written whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from pylon_zoo import remote
from pylon_zoo.errors import ConfigError, first_line
from pylon_zoo.files import make_folder, replacing, write_text


class Place(ABC):
    """A file or folder that may not be there yet; its text is its name."""

    @abstractmethod
    def __str__(self) -> str: ...

    @abstractmethod
    def sibling(self, ending: str) -> Place:
        """The place whose name goes on with `ending`."""

    @abstractmethod
    def inside(self, name: str) -> Place:
        """A place in this folder."""

    @abstractmethod
    def is_folder(self) -> bool:
        """Whether a folder is here."""

    @abstractmethod
    def is_file(self) -> bool:
        """Whether a file is here."""

    @abstractmethod
    def opened(self) -> BinaryIO:
        """The file, for reading.

        Raises:
            OSError: it is not there or cannot be had.
        """

    @abstractmethod
    def write(self, text: str) -> None:
        """Write the whole file."""

    @abstractmethod
    def replacing(self) -> AbstractContextManager[Path]:
        """A path on this machine to write to, whose content becomes the file unless something is raised."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the folder if it is not there.

        Raises:
            ConfigError: it cannot be.
        """

    @abstractmethod
    def remove(self) -> None:
        """Remove the folder with all that is in it, if it is there."""


class LocalPlace(Place):
    """A path on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def sibling(self, ending: str) -> Place:
        return LocalPlace(self.path.with_name(self.path.name + ending))

    def inside(self, name: str) -> Place:
        return LocalPlace(self.path / name)

    def is_folder(self) -> bool:
        return self.path.is_dir()

    def is_file(self) -> bool:
        return self.path.exists()

    def opened(self) -> BinaryIO:
        return self.path.open("rb")

    def write(self, text: str) -> None:
        write_text(self.path, text)

    def replacing(self) -> AbstractContextManager[Path]:
        return replacing(self.path)

    def prepare(self) -> None:
        make_folder(self.path)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class RemotePlace(Place):
    """An address; folders are there as soon as something is in them."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    def __str__(self) -> str:
        return self.address

    def sibling(self, ending: str) -> Place:
        return RemotePlace(self.address + ending)

    def inside(self, name: str) -> Place:
        return RemotePlace(f"{self.address}/{name}")

    def is_folder(self) -> bool:
        with _written(self):
            return remote.is_folder(self.address)

    def is_file(self) -> bool:
        with _written(self):
            return remote.is_file(self.address)

    def opened(self) -> BinaryIO:
        return remote.open_binary(self.address, listings=False)

    def write(self, text: str) -> None:
        with _written(self):
            remote.write_bytes(self.address, text.encode())

    @contextmanager
    def replacing(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder, "whole")
            yield temporary
            with _written(self):
                remote.upload(temporary, self.address)

    def prepare(self) -> None:
        with _written(self):
            remote.connect(self.address)

    def remove(self) -> None:
        with _written(self):
            remote.remove(self.address)


@contextmanager
def _written(place: RemotePlace) -> Iterator[None]:
    """What a store answers, in one sentence."""
    try:
        yield
    except (ConfigError, ImportError):
        raise
    except OSError as error:
        raise ConfigError(
            f"'{place}' cannot be written or looked at: {first_line(error)}. Check address, network and permissions, "
            "and run the same command again."
        ) from error


def place_of(out: str | Path) -> Place:
    """The place that a path or address names.

    Example:
        >>> type(place_of("s3://bucket/found.parquet")).__name__, str(place_of("found.parquet"))
        ('RemotePlace', 'found.parquet')
    """
    return RemotePlace(str(out)) if remote.is_remote(out) else LocalPlace(Path(out))
