"""Run an exported ONNX file with numpy, pillow and onnxruntime alone: probabilities, peaks, and an overlay.

Write the file with `pylon-zoo export --model pylon_resnet18.phantom_cxr --out model.onnx`.
"""

import argparse
import json

import numpy as np
import onnxruntime
from PIL import Image

RESAMPLING = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def to_input(image: Image.Image, about: dict) -> np.ndarray:
    """An 8-bit image as the model takes it: (1, C, H, W) float32, resized with antialiasing and normalised."""
    channels, height, width = about["input_size"]
    grey = channels == 1 or image.mode in ("1", "L")
    planes = np.asarray(image.convert("L" if grey else "RGB"), np.float32).reshape(image.height, image.width, -1) / 255
    # Resized as floating point, one plane at a time: rounding to 8 bits in between would move the probabilities.
    resized = [
        np.asarray(Image.fromarray(plane).resize((width, height), RESAMPLING[about["interpolation"]]))
        for plane in np.moveaxis(planes, -1, 0)
    ]
    pixels = np.clip(np.stack(resized), 0, 1).repeat(channels // len(resized), axis=0)
    mean, std = (np.float32(about[key]).reshape(-1, 1, 1) for key in ("mean", "std"))
    return ((pixels - mean) / std)[None]


def to_probabilities(logits: np.ndarray, activation: str) -> np.ndarray:
    """Logits (K,) as probabilities (K,)."""
    if activation == "sigmoid":
        return 1 / (1 + np.exp(-logits))
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def draw(heatmap: np.ndarray, image: Image.Image, about: dict) -> tuple[np.ndarray, tuple[slice, slice]]:
    """A heatmap (h, w) at the image's size, each cell at the pixels it looks at, and where to look for its peak."""
    window = []
    for axis, pixels in enumerate((image.height, image.width)):
        scale = pixels / about["input_size"][1 + axis]
        first = (about["cells"]["first"][axis] + 0.5) * scale - 0.5
        centres = first + about["cells"]["step"][axis] * scale * np.arange(heatmap.shape[axis])
        places = np.interp(np.arange(pixels), centres, np.arange(len(centres)))
        low = np.floor(places).astype(int)
        share = (places - low).astype(np.float32).reshape(-1, *[1] * (1 - axis))
        high = np.minimum(low + 1, len(centres) - 1)
        heatmap = heatmap.take(low, axis) * (1 - share) + heatmap.take(high, axis) * share
        begin, end = (min(max(round(place), 0), pixels - 1) for place in (centres[0], centres[-1]))
        window.append(slice(begin, end + 1))
    return heatmap, tuple(window)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model", help="an ONNX file of `pylon-zoo export`")
parser.add_argument("image", help="an 8-bit image file")
parser.add_argument("--out", default="overlay.png", help="where the overlay of the likeliest finding goes")
args = parser.parse_args()

session = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
about = {key: json.loads(text) for key, text in session.get_modelmeta().custom_metadata_map.items()}
image = Image.open(args.image)
logits, heatmap = session.run(["logits", "heatmap"], {"image": to_input(image, about)})
probabilities = to_probabilities(logits[0], about["activation"])

# Between cells it is probabilities that are interpolated, where each place has one of its own.
places = 1 / (1 + np.exp(-heatmap[0])) if about["activation"] == "sigmoid" else heatmap[0]
drawn = [draw(one, image, about) for one in places]
for index in np.argsort(-probabilities):
    values, (rows, columns) = drawn[index]
    y, x = np.unravel_index(values[rows, columns].argmax(), values[rows, columns].shape)
    y, x = y + rows.start, x + columns.start
    print(f"{about['label_names'][index]:<16} {probabilities[index]:.6f}  peak at x={x}, y={y}")

best = drawn[int(probabilities.argmax())][0]
strength = ((best - best.min()) / max(np.ptp(best), 1e-6))[..., None]
grey = np.asarray(image.convert("L"), np.float32)[..., None]
picture = grey * (1 - 0.6 * strength) + np.float32([255, 80, 0]) * 0.6 * strength
Image.fromarray(picture.round().astype(np.uint8)).save(args.out)
