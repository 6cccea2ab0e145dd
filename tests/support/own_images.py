"""A user's own images as a COCO-style folder: noise with a bright or a dark square, boxed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("bright", "dark")
KINDS = (("L", (40, 40)), ("RGB", (48, 36)), ("1", (40, 40)), ("P", (64, 64)), ("RGBA", (30, 50)))
"""Modes and sizes (width, height) that come in turn in a mixed folder."""


def write_coco(
    root: Path,
    counts: Sequence[int] = (24, 8),
    *,
    classes: Sequence[str] = CLASSES,
    shown: Sequence[Sequence[int]] = ((0,), (1,), (0, 1), ()),
    mixed: bool = False,
) -> Path:
    """Write ROOT/train and ROOT/val with their JSON files.

    Args:
        root: the folder; made.
        counts: images of train and of val.
        classes: the categories.
        shown: classes of one image after the other, in turn.
        mixed: of all modes and sizes, rather than grey and 40 pixels.
    """
    draw = np.random.default_rng(0)
    for split, count in zip(("train", "val"), counts, strict=True):
        (root / split).mkdir(parents=True)
        images, annotations = [], []
        for number in range(count):
            mode, (width, height) = KINDS[number % len(KINDS)] if mixed else KINDS[0]
            pixels = draw.integers(90, 160, (height, width), dtype=np.uint8)
            for label in shown[number % len(shown)]:
                x, y = (int(draw.integers(0, side - 10)) for side in (width, height))
                pixels[y : y + 10, x : x + 10] = 255 if label == 0 else 0
                box = {"image_id": number, "category_id": label, "bbox": [x, y, 10, 10]}
                annotations.append({"id": len(annotations), **box})
            images.append({"id": number, "file_name": f"{number}.png", "width": width, "height": height})
            Image.fromarray(pixels).convert(mode).save(root / split / f"{number}.png")
        categories = [{"id": label, "name": name} for label, name in enumerate(classes)]
        table = {"images": images, "annotations": annotations, "categories": categories}
        (root / f"{split}.json").write_text(json.dumps(table), encoding="utf-8")
    return root
