"""Score-CAM, a method of pytorch-grad-cam, on the bundled checkpoint. Needs `pip install "pylon-zoo[gradcam]"`."""

import argparse

import numpy as np
from PIL import Image

import pylon_zoo as pz
from pylon_zoo.attribution import create_attribution
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.explanation.colors import blend, lookup_table

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--finding", default="Nodule", help="a class of the model")
parser.add_argument("--method", default="score-cam", help="a key of pylon_zoo.attribution.ATTRIBUTIONS")
parser.add_argument("--out", default="score_cam.png")
args = parser.parse_args()

model, phantoms = pz.create_model("pylon_resnet18.phantom_cxr"), PhantomCxr("test", size=256)
label = model.label_names.index(args.finding)
index = int(phantoms.targets()[:, phantoms.classes.index(args.finding)].argmax())  # the first image with the finding
image = phantoms[index].image

cam = create_attribution(args.method, model)
heatmap = cam(pz.preprocess(model)(image)[None], classes=[label])[0, 0]

grey = Image.fromarray(image[0].numpy()).resize(heatmap.shape[::-1])  # the size the model sees
picture = blend(np.asarray(grey), heatmap.numpy(), lookup_table())
Image.fromarray(picture.round().astype("uint8")).save(args.out)
print(f"{args.method} of {args.finding} in {args.out}")
