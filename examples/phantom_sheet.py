"""Draw a contact sheet of phantoms, or of another drawn dataset, with their boxes.

python phantom_sheet.py --out phantoms.png
python phantom_sheet.py --data cluttered-digits --out digits.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw

from pylon_zoo.data import LabelledDataset, open_dataset

COLOURS = ["#e6194b", "#3cb4ff", "#ffe119", "#f58231", "#f032e6", "#42d4f4", "#bfef45", "#3cff6e", "#fabed4", "#ffd8b1"]


def draw(data: LabelledDataset, index: int, boxes: bool) -> Image.Image:
    """One image as a picture, its boxes in one colour per class and named."""
    sample = data[index]
    tile = Image.fromarray(sample.image[0].numpy()).convert("RGB")
    pen = ImageDraw.Draw(tile)
    for class_index, x0, y0, x1, y1 in sample.boxes.tolist() if boxes else ():
        colour, name = COLOURS[int(class_index)], data.classes[int(class_index)]
        pen.rectangle((x0, y0, x1, y1), outline=colour)
        pen.text((min(x0 + 2, tile.width - 5 - pen.textlength(name)), max(y0 - 11, 0)), name, fill=colour)
    return tile


def main(argv: list[str] | None = None) -> int:
    """Draw the sheet and save it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    parser.add_argument("--data", default="phantom", help="phantom or cluttered-digits")
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--size", type=int, default=256, help="side of one image in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="index of the first image")
    parser.add_argument("--no-boxes", action="store_true")
    args = parser.parse_args(argv)

    tiles = args.rows * args.columns
    data = open_dataset(args.data, "train", size=args.size, seed=args.seed, count=args.first + tiles)
    sheet = Image.new("RGB", (args.columns * args.size, args.rows * args.size))
    for place in range(tiles):
        tile = draw(data, args.first + place, not args.no_boxes)
        sheet.paste(tile, (place % args.columns * args.size, place // args.columns * args.size))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(args.out, optimize=True)
    print(f"{tiles} images in {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
