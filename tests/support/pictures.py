"""Small images for fake releases: no two of one path's name alike, so that none is a copy of another."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image


def draw(path: Path, size: tuple[int, int] = (16, 12), mode: str = "L") -> Path:
    """Noise of `size` (width, height) that follows from the last five parts of the path; folders are made."""
    seed = int.from_bytes(sha256("/".join(path.parts[-5:]).encode()).digest()[:8], "big")
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0]), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).convert(mode).save(path)
    return path


def draw_mask(path: Path, box: tuple[int, int, int, int], size: tuple[int, int] = (16, 12)) -> Path:
    """Black and white, white from x0, y0 to x1, y1 (edges)."""
    image = Image.new("1", size)
    image.paste(1, box)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path
