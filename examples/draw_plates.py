"""Draw metal plates with scratches and dents, as a COCO-style folder: images of one's own to try training on."""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CLASSES = ("scratch", "dent")
SIDE = 96

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--images", type=int, nargs=3, default=(160, 48, 96), help="of train, val and test")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", default="plates", help="folder")
args = parser.parse_args()

random = np.random.default_rng(args.seed)
for split, count in zip(("train", "val", "test"), args.images, strict=True):
    folder = Path(args.out, split)
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number in range(count):
        light = random.uniform(-15, 15) * np.linspace(-1, 1, SIDE)[:, None]
        plate = (random.normal(140, 9, (SIDE, SIDE)) + light).clip(0, 255).astype(np.uint8)
        picture = Image.fromarray(plate)
        pen = ImageDraw.Draw(picture)
        for label, name in enumerate(CLASSES):
            if random.random() < 0.6:  # most plates have no scratch, and most no dent
                continue
            x, y, fall = (int(value) for value in random.integers((8, 8, 2), (SIDE - 28, SIDE - 28, 18)))
            if name == "scratch":
                pen.line((x, y, x + 18, y + fall), fill=210, width=2)
            else:
                pen.ellipse((x, y, x + 14, y + 14), fill=85)
            box = [x, y, 19, fall + 1] if name == "scratch" else [x, y, 15, 15]
            annotations.append({"id": len(annotations), "image_id": number, "category_id": label, "bbox": box})
        picture.save(folder / f"{number:03}.png")
        images.append({"id": number, "file_name": f"{number:03}.png", "width": SIDE, "height": SIDE})
    categories = [{"id": label, "name": name} for label, name in enumerate(CLASSES)]
    table = {"images": images, "annotations": annotations, "categories": categories}
    Path(args.out, f"{split}.json").write_text(json.dumps(table), encoding="utf-8", newline="\n")
print(f"{sum(args.images)} plates in {args.out}")
