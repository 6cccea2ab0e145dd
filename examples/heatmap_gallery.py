"""The README's picture: a synthetic radiograph per finding, plain above, with the bundled model's heatmap below."""

import argparse

from PIL import Image

import pylon_zoo as pz
from pylon_zoo.data.phantom import PhantomCxr

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--findings", nargs="+", default=["Nodule", "Mass", "Pneumothorax", "Consolidation"])
parser.add_argument("--model", default="pylon_resnet18.phantom_cxr", help="a name of pylon_zoo.list_pretrained()")
parser.add_argument("--size", type=int, default=360, help="width of one picture in pixels")
parser.add_argument("--out", default="gallery.png")
args = parser.parse_args()

model, phantoms = pz.create_model(args.model), PhantomCxr("test", size=512)
columns = []
for finding in args.findings:
    # The first image that shows this finding and no other.
    wanted = [float(name == finding) for name in phantoms.classes]
    index = next(i for i, target in enumerate(phantoms.targets().tolist()) if target == wanted)
    explanation = pz.explain(model, phantoms[index].image, labels=[finding])
    overlay = explanation.overlay(finding)
    plain = Image.fromarray(phantoms[index].image[0].numpy()).convert("RGB")
    heights = [round(args.size * picture.height / picture.width) for picture in (plain, overlay)]
    pictures = (plain.resize((args.size, heights[0])), overlay.resize((args.size, heights[1])))
    columns.append((sum(heights), pictures))

gallery = Image.new("RGB", (args.size * len(columns), max(height for height, _ in columns)))
for column, (_, (plain, overlay)) in enumerate(columns):
    gallery.paste(plain, (column * args.size, 0))
    gallery.paste(overlay, (column * args.size, plain.height))
gallery.save(args.out)
print(f"{len(columns)} findings in {args.out}")
