"""A stand-in of NIH ChestX-ray14 in its release's layout: its numbers and its tables' quirks, images that show nothing.

    python benchmarks/nih_stand_in.py DIR                  # 112,120 images of 30,805 patients, 984 boxes
    python benchmarks/nih_stand_in.py DIR --images 300     # the same, in small

What is not drawn by lot is as NIH ships it: twelve folders of images, the official lists' sizes and patients, the
number of boxes of each class, about how often each label is given, a header whose brackets hold commas, a comma behind
every row, ages such as `058Y` and impossible ones, `Infiltrate` for `Infiltration`, boxes with four empty names, lists
whose last line does not end, and some images with four channels. Images are noise of a few kB, no two of the same
pixels.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from pathlib import Path

import numpy as np
from PIL import Image

IMAGES = 112_120
TESTED = (25_596, 2_797)
"""Images and patients of the official test list."""
TRAINED = (86_524, 28_008)
"""Those of the other list."""
FOLDERS = (4_999, *repeat(10_000, 10), 7_121)
"""Images in `images_001` to `images_012`."""
MOST = 184
"""Images of one patient, at most."""
FOUR_CHANNELS = 519
FOUND = 51_759
"""Images with any label."""
LABELS = {
    "Infiltration": 19_894,
    "Effusion": 13_317,
    "Atelectasis": 11_559,
    "Nodule": 6_331,
    "Mass": 5_782,
    "Pneumothorax": 5_302,
    "Consolidation": 4_667,
    "Pleural_Thickening": 3_385,
    "Cardiomegaly": 2_776,
    "Emphysema": 2_516,
    "Edema": 2_303,
    "Fibrosis": 1_686,
    "Pneumonia": 1_431,
    "Hernia": 227,
}
"""Label → images that have it."""
BOXES = {
    "Atelectasis": 180,
    "Effusion": 153,
    "Cardiomegaly": 146,
    "Infiltrate": 123,
    "Pneumonia": 120,
    "Pneumothorax": 98,
    "Mass": 85,
    "Nodule": 79,
}
"""The boxes' word for a label → boxes."""
SPELLINGS = {"Infiltrate": "Infiltration"}
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
PICTURES = 64
"""Of noise, that images are made of."""


def write_release(root: Path, images: int = IMAGES, side: int = 64) -> None:
    """Write the stand-in.

    Args:
        root: a folder; made if it is not there.
        images: how many; all other numbers shrink along.
        side: of the images in pixels; 1,024 in the release.
    """
    _write_images(root, write_tables(root, images), side)


def write_tables(root: Path, images: int = IMAGES) -> list[str]:
    """Write all but the images, whose names are returned, sorted."""
    draw = np.random.default_rng(0)
    share = images / IMAGES
    lists = {"test": _shrunk(TESTED, share), "train_val": _shrunk(TRAINED, share)}
    lists["train_val"] = (images - lists["test"][0], lists["train_val"][1])
    patients = iter(draw.permutation(sum(of for _, of in lists.values())) + 1)
    names: dict[str, list[str]] = {}
    for split, (wanted, of) in lists.items():
        counts = _counts(draw, wanted, of)
        people = sorted(int(next(patients)) for _ in counts)
        names[split] = [f"{p:08}_{n:03}.png" for p, count in zip(people, counts, strict=True) for n in range(count)]
    labels = _labels(draw, sorted(chain(*names.values())))
    boxes = _boxes(draw, names["test"], labels, share)
    root.mkdir(parents=True, exist_ok=True)
    (root / "Data_Entry_2017.csv").write_text(_lines([HEADER, *_rows(draw, labels)]), encoding="utf-8", newline="\n")
    (root / "BBox_List_2017.csv").write_text(_lines([BOX_HEADER, *boxes]), encoding="utf-8", newline="\n")
    for split, listed in names.items():
        (root / f"{split}_list.txt").write_text("\n".join(sorted(listed)), encoding="utf-8", newline="\n")
    return list(labels)


def _shrunk(numbers: Iterable[int], share: float) -> tuple[int, ...]:
    return tuple(max(2, round(number * share)) for number in numbers)


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _counts(draw: np.random.Generator, images: int, patients: int) -> list[int]:
    """Images of each patient: one at least, few of most, many of some."""
    weights = draw.pareto(2.0, patients) + 0.05
    counts = 1 + draw.multinomial(images - patients, weights / weights.sum())
    while (above := int((counts - MOST).clip(0).sum())) > 0:
        counts = counts.clip(max=MOST)
        counts += draw.multinomial(above, np.full(patients, 1 / patients))
    return counts.tolist()


def _labels(draw: np.random.Generator, images: Sequence[str]) -> dict[str, list[str]]:
    """Image → its labels, by lot in the release's shares: none for most, else one and now and then more."""
    counts = np.array(list(LABELS.values()))
    found = draw.random(len(images)) < FOUND / IMAGES
    first = draw.choice(len(counts), len(images), p=counts / counts.sum())
    more = draw.random((len(images), len(counts))) < counts * (1 / FOUND - 1 / counts.sum())
    names = list(LABELS)
    drawn = [
        {names[one], *(names[label] for label in others.nonzero()[0])} for one, others in zip(first, more, strict=True)
    ]
    return {image: sorted(drawn[place] if found[place] else ()) for place, image in enumerate(images)}


def _boxes(draw: np.random.Generator, tested: Sequence[str], labels: dict[str, list[str]], share: float) -> list[str]:
    """The rows of the box file, on test images, whose labels they become where they lack them."""
    rows = []
    for word, count in BOXES.items():
        label = SPELLINGS.get(word, word)
        wanted = min(len(tested), max(1, round(count * share)))
        having = [image for image in tested if label in labels[image]]
        others = [image for image in tested if label not in labels[image]]
        for place in draw.permutation(len(others))[: max(0, wanted - len(having))]:
            labels[others[place]] = sorted([*labels[others[place]], label])
            having.append(others[place])
        for place in draw.permutation(len(having))[:wanted]:
            x, y, width, height = *draw.uniform(60, 500, 2), *draw.uniform(40, 460, 2)
            rows.append(f"{having[place]},{word},{x:.13f},{y:.13f},{width:.13f},{height:.13f},,,")
    return rows


def _rows(draw: np.random.Generator, labels: dict[str, list[str]]) -> list[str]:
    """The rows of the table of all images."""
    ages = draw.integers(1, 95, len(labels))
    ages[draw.random(len(labels)) < 16 / IMAGES] = 411  # as in the release
    views, genders = draw.random(len(labels)) < 0.6, draw.random(len(labels)) < 0.56
    rows = []
    for place, (image, found) in enumerate(labels.items()):
        patient, number = int(image[:8]), int(image[9:12])
        gender, view = "M" if genders[place] else "F", "PA" if views[place] else "AP"
        said = "|".join(found) or "No Finding"
        rows.append(f"{image},{said},{number},{patient},{ages[place]:03}Y,{gender},{view},2500,2048,0.168,0.168,")
    return rows


def _write_images(root: Path, images: Sequence[str], side: int) -> None:
    """The files: pictures of noise in turns, each with the image's number in its first pixels."""
    draw = np.random.default_rng(1)
    noise = [_noise(draw, side) for _ in range(PICTURES)]
    colourful = round(IMAGES / FOUR_CHANNELS)
    index = 0
    for folder, count in enumerate(_folders(len(images)), start=1):
        place = root / f"images_{folder:03}" / "images"
        place.mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            pixels = noise[index % PICTURES]
            pixels[0, :4] = list(index.to_bytes(4, "big"))
            mode = "L" if index % colourful else "RGBA"
            Image.fromarray(pixels).convert(mode).save(place / images[index], compress_level=1)
            index += 1


def _noise(draw: np.random.Generator, side: int) -> np.ndarray:
    """A smooth picture with a little noise, (side, side) uint8."""
    coarse = Image.fromarray(draw.integers(40, 220, (8, 8), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=np.int16)
    noisy: np.ndarray = (smooth + draw.integers(-6, 7, smooth.shape)).clip(0, 255).astype(np.uint8)
    return noisy


def _folders(images: int) -> list[int]:
    """Images in each folder; those of a smaller release fill the first ones."""
    counts, left = [], images
    for count in FOLDERS:
        counts.append(min(count, left))
        left -= counts[-1]
    return [count for count in counts if count]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the stand-in."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR", help="where; it is made if it is not there")
    parser.add_argument("--images", type=int, default=IMAGES, metavar="N", help="images (default: %(default)s)")
    parser.add_argument("--side", type=int, default=64, metavar="PX", help="of the images (default: %(default)s)")
    args = parser.parse_args(argv)
    write_release(args.folder, args.images, args.side)
    print(f"{args.images:,} images in {args.folder}. Read it: --data nih-cxr14:{args.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
