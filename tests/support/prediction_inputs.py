"""Images in every form that `pylon-zoo predict` takes, and the command in a process of its own."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

import pylon_zoo


def encoded(seed: int, size: tuple[int, int] = (40, 48), kind: str = "png") -> bytes:
    """An image file of noise; `size` is (H, W)."""
    pixels = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def write_folder(folder: Path, count: int, broken: tuple[int, ...] = (), sizes: int = 1) -> Path:
    """`0.png`, `1.jpg`, `2.png`, … of so many different sizes; the broken ones hold text."""
    folder.mkdir(parents=True)
    for number in range(count):
        kind = ("png", "jpeg")[number % 2]
        content = b"no image" if number in broken else encoded(number, (40 + 4 * (number % sizes), 48), kind)
        (folder / f"{number}.{kind.replace('e', '')}").write_bytes(content)
    return folder


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    """A WebDataset shard."""
    with tarfile.open(path, "w:") as shard:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            shard.addfile(header, io.BytesIO(content))
    return path


def environment() -> dict[str, str]:
    """For a process of its own: this package, and one thread as the tests have."""
    return {**os.environ, "PYTHONPATH": str(Path(pylon_zoo.__file__).parents[1]), "OMP_NUM_THREADS": "1"}


def command(*words: str | Path) -> list[str]:
    """`pylon-zoo predict` in a process of its own."""
    return [sys.executable, "-m", "pylon_zoo", "predict", *map(str, words)]
