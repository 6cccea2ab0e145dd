"""Explain one image with the checkpoint that comes with the package: probabilities, peak, overlay. Runs offline."""

import argparse

import pylon_zoo as pz
from pylon_zoo.data.phantom import PhantomCxr

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("image", nargs="?", help="an image file; without one, a synthetic radiograph is drawn")
parser.add_argument("--model", default="pylon_resnet18.phantom_cxr", help="a name of pylon_zoo.list_pretrained()")
parser.add_argument("--out", default="overlay.png", help="where the overlay of the likeliest finding goes")
args = parser.parse_args()

model = pz.create_model(args.model)
explanation = pz.explain(model, args.image or PhantomCxr("test", size=512)[1].image)
for finding in explanation.top(3):
    print(f"{finding.label:<16} {finding.probability:.2f}  peak at x={finding.peak.x}, y={finding.peak.y}")
explanation.overlay().save(args.out)
