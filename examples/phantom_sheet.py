"""Draw a contact sheet of phantoms, with their boxes: `python phantom_sheet.py --out phantoms.png`."""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw

from pylon_zoo.data.phantom import CLASSES, render

COLOURS = ("#e6194b", "#3cb4ff", "#ffe119", "#f58231", "#f032e6", "#42d4f4", "#bfef45", "#3cff6e")


def draw(seed: int, index: int, size: int, boxes: bool) -> Image.Image:
    """One phantom as a picture, its boxes in one colour per finding and named."""
    phantom = render(seed, index, size)
    tile = Image.fromarray(phantom.image).convert("RGB")
    pen = ImageDraw.Draw(tile)
    for class_index, x0, y0, x1, y1 in phantom.boxes.tolist() if boxes else ():
        colour = COLOURS[int(class_index)]
        pen.rectangle((x0, y0, x1, y1), outline=colour)
        pen.text((min(x0 + 2, size - 75), max(y0 - 11, 0)), CLASSES[int(class_index)], fill=colour)
    return tile


def main(argv: list[str] | None = None) -> int:
    """Draw the sheet and save it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--size", type=int, default=256, help="side of one image in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="index of the first image")
    parser.add_argument("--no-boxes", action="store_true")
    args = parser.parse_args(argv)

    sheet = Image.new("RGB", (args.columns * args.size, args.rows * args.size))
    for place in range(args.rows * args.columns):
        tile = draw(args.seed, args.first + place, args.size, not args.no_boxes)
        sheet.paste(tile, (place % args.columns * args.size, place // args.columns * args.size))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(args.out)
    print(f"{args.rows * args.columns} phantoms in {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
