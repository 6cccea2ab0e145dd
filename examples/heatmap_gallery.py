"""The README's picture: a drawn image per label, plain above, with a bundled model's heatmap below."""

import argparse

from PIL import Image

import pylon_zoo as pz
from pylon_zoo.data import open_dataset

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--labels", nargs="+", default=["Nodule", "Mass", "Pneumothorax", "Consolidation"])
parser.add_argument("--data", default="phantom", help="phantom or cluttered-digits")
parser.add_argument("--model", default="pylon_resnet18.phantom_cxr", help="a name of pylon_zoo.list_pretrained()")
parser.add_argument("--size", type=int, default=360, help="width of one picture in pixels")
parser.add_argument("--out", default="gallery.png")
args = parser.parse_args()

model, drawn = pz.create_model(args.model), open_dataset(args.data, "test", size=512)
columns = []
for label in args.labels:
    # The first image that shows this label and no other.
    wanted = [float(name == label) for name in drawn.classes]
    index = next(i for i, target in enumerate(drawn.targets().tolist()) if target == wanted)
    explanation = pz.explain(model, drawn[index].image, labels=[label])
    overlay = explanation.overlay(label)
    plain = Image.fromarray(drawn[index].image[0].numpy()).convert("RGB")
    heights = [round(args.size * picture.height / picture.width) for picture in (plain, overlay)]
    pictures = (plain.resize((args.size, heights[0])), overlay.resize((args.size, heights[1])))
    columns.append((sum(heights), pictures))

gallery = Image.new("RGB", (args.size * len(columns), max(height for height, _ in columns)))
for column, (_, (plain, overlay)) in enumerate(columns):
    gallery.paste(plain, (column * args.size, 0))
    gallery.paste(overlay, (column * args.size, plain.height))
gallery.save(args.out)
print(f"{len(columns)} labels in {args.out}")
