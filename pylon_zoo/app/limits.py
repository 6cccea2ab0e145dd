"""What one user may bring: so many files, bytes and pixels; everything beyond is refused in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from pylon_zoo.data.images import size_in_header
from pylon_zoo.errors import ImageError

MEGA = 1_000_000


@dataclass(frozen=True)
class Limits:
    """The most that is taken; all of it stays in memory until the user brings something else or leaves.

    Args:
        file_bytes: of one file.
        pixels: of one image, as its header says, looked at before anything is decoded.
        files: at a time.
        total_bytes: of all files together.

    Example:
        >>> Limits().file_bytes
        50000000
    """

    file_bytes: int = 50 * MEGA
    pixels: int = 50 * MEGA
    files: int = 50
    total_bytes: int = 200 * MEGA

    def check_bytes(self, size: int, name: str, before: int = 0) -> None:
        """Refuse a file by its size.

        Args:
            size: in bytes.
            name: what the message calls it.
            before: bytes of the files that came with it and were taken.

        Raises:
            ImageError: it is too large, or too large with the others.

        Example:
            >>> Limits(file_bytes=2_000_000).check_bytes(3_500_000, "scan.png")
            Traceback (most recent call last):
            ...
            pylon_zoo.errors.ImageError: 'scan.png' has 3.5 MB, and at most 2 MB are taken: shrink it first.
        """
        if size > self.file_bytes:
            most = self.file_bytes / MEGA
            raise ImageError(f"'{name}' has {size / MEGA:.3g} MB, and at most {most:g} MB are taken: shrink it first.")
        if before + size > self.total_bytes:
            most = self.total_bytes / MEGA
            raise ImageError(f"'{name}' was left out: at most {most:g} MB are taken at a time; bring fewer files.")

    def check_pixels(self, content: bytes, name: str) -> None:
        """Refuse an image by what its header says.

        Args:
            content: the bytes of the file.
            name: what the message calls it.

        Raises:
            ImageError: it has too many pixels.
            MissingDependencyError: a DICOM file without pydicom installed.
        """
        size = size_in_header(content, name)
        if size is not None and size[0] * size[1] > self.pixels:
            raise ImageError(
                f"'{name}' has {size[1]}×{size[0]} pixels, and at most {self.pixels / MEGA:g} million are taken: "
                "shrink it first."
            )
