"""The pictures of circuit boards in docs/gallery.md: a tile of each class by lot, and the surest miss.

python benchmarks/board_pictures.py --data coco:DIR      # docs/images/deeppcb-by-lot.png and deeppcb-misses.png

DIR holds DeepPCB (Tang et al. 2019, MIT licence) in tiles of 320 × 320 pixels with COCO-style JSON. Takes a minute.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

import pylon_zoo as pz
from pylon_zoo.data import open_dataset
from pylon_zoo.evaluation.evaluate import evaluate, prepared
from pylon_zoo.evaluation.gallery import Shown, gallery

MODEL = "pylon_tf_efficientnet_lite0.deeppcb_tiles"
IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIDE, GAP, COLUMNS = 240, 4, 3  # pixels of a picture and between two; pictures in a row


def main() -> None:
    """Judge the model on the validation tiles, and draw two sheets of what the report would show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="coco:DIR", help="the tiles")
    args = parser.parse_args()
    model = pz.create_model(MODEL)
    tiles = prepared(model, open_dataset(args.data, "val"), None)
    shown = list(gallery(model, tiles, evaluate(model, tiles, controls=False)))
    sheet([first(shown, label, "random") for label in range(model.num_classes)], IMAGES / "deeppcb-by-lot.png")
    sheet([first(shown, label, "worst") for label in range(model.num_classes)], IMAGES / "deeppcb-misses.png")


def first(shown: list[Shown], label: int, kind: str) -> Shown:
    """The first picture of that kind; a worst one must be a miss."""
    return next(one for one in shown if one.label == label and one.kind == kind and not (kind == "worst" and one.hit))


def sheet(pictures: list[Shown], path: Path) -> None:
    """Write pictures in rows, class by class, and print which they are."""
    step = SIDE + GAP
    canvas = Image.new("RGB", (COLUMNS * step - GAP, len(pictures) // COLUMNS * step - GAP), "grey")
    for place, one in enumerate(pictures):
        corner = (place % COLUMNS * step, place // COLUMNS * step)
        canvas.paste(one.picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), corner)
        print(f"{path.name}: class {one.label}, {one.probability:.2f}, hit {one.hit}, {Path(one.path).name}")
    canvas.save(path, optimize=True)


if __name__ == "__main__":
    main()
