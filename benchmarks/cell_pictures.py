"""The pictures of docs/cells.md, and by how many pixels the popular CAM libraries draw beside what a network saw.

python benchmarks/cell_pictures.py      # docs/images/cells.svg, docs/images/grad-cam-place.png, and a table
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image, ImageDraw
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from tables import write_between_marks
from torch import Tensor, nn
from torchcam.methods import GradCAM as TorchCam

from pylon_zoo.attribution import AttributedClassifier
from pylon_zoo.cells import to_pixels
from pylon_zoo.explanation.colors import blend, lookup_table
from pylon_zoo.explanation.marks import draw_crosshair

COMMAND = "python benchmarks/cell_pictures.py"
DOCS = Path(__file__).parents[1] / "docs"
PICTURE = DOCS / "images" / "grad-cam-place.png"
INK, PALE, TRUE, TILE = "#24292f", "#eaeef2", "#d1495b", "#5a7d9a"
SIDE, RADIUS, SCALE = 256, 12, 2  # pixels, and how much larger they are shown
CELL = (3, 5)  # row and column of the cell that the disc is centred on
# Padding → where the cells of a strip of 64 pixels lie whose stride is 16, and whose that is.
STRIPS = {
    "symmetric padding (ResNet, RegNet, MobileNet)": 0.0,
    "TensorFlow's padding (tf_efficientnet)": 15.0,
    "patches (ViT, ConvNeXt, Swin, VGG)": 7.5,
}
NETWORKS = {
    "resnet50": "layer4",
    "regnetx_002": "s4",
    "tf_efficientnetv2_b0": "conv_head",
    "densenet121": "features",
    "convnext_atto": "stages.3",
}
CLASSES = 9  # of the classifiers with random weights; the table has the median of their peaks


def main() -> None:
    """Draw both pictures and write the table into the page."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    (DOCS / "images" / "cells.svg").write_text(strips(), encoding="utf-8", newline="\n")
    lines = ["| network, layer | disc at | pylon_zoo | pytorch-grad-cam | torch-cam |", "|---|---|---|---|---|"]
    for name, layer in NETWORKS.items():
        disc, maps = drawn_maps(name, layer)
        cells = [tuple(np.median([place(one) for one in each], axis=0).astype(int).tolist()) for each in maps.values()]
        lines.append(f"| `{name}`, `{layer}` | {disc} | {' | '.join(map(str, cells))} |")
        if name == "resnet50":
            side_by_side(disc, {library: each[0] for library, each in maps.items()}).save(PICTURE)
    text = "\n".join(lines)
    print(text)
    write_between_marks(DOCS / "cells.md", text, COMMAND)


def strips() -> str:
    """Four cells of stride 16 over 64 pixels: where they look, and the tiles they are usually drawn as."""
    left, width, row = 330, 640, 74
    unit = width / 64
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 30}" height="{row * len(STRIPS) + 38}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{left}" y="20">64 pixels, cells of stride 16: '
        f'<tspan fill="{TRUE}" font-weight="600">● the pixel a cell is centred on</tspan>   '
        f'<tspan fill="{TILE}" font-weight="600">○ where it is usually drawn</tspan></text>',
    ]
    for number, (name, first) in enumerate(STRIPS.items()):
        top = 38 + row * number
        parts.append(f'<text x="{left - 12}" y="{top + 24}" text-anchor="end">{name}</text>')
        for cell in range(4):
            tile, centre = left + unit * 16 * cell, left + unit * (first + 16 * cell + 0.5)
            middle = tile + unit * 8
            parts += [
                f'<rect x="{tile:.1f}" y="{top}" width="{unit * 16:.1f}" height="36" fill="{PALE}" stroke="white"/>',
                f'<circle cx="{middle:.1f}" cy="{top + 18}" r="8" fill="none" stroke="{TILE}" stroke-width="2"/>',
                f'<circle cx="{centre:.1f}" cy="{top + 18}" r="5" fill="{TRUE}"/>',
            ]
        off = f"drawn {7.5 - first:+g} px beside".replace("-", "−") if first != 7.5 else "drawn where it is"
        parts.append(f'<text x="{left}" y="{top + 52}" fill="{TILE}" font-size="12">{off}</text>')
    return "\n".join([*parts, "</svg>", ""])


def picture(disc: tuple[int, int]) -> Tensor:
    """An image (1, 3, SIDE, SIDE) of zeros, which networks without biases answer with zeros, and a bright disc."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside = (rows - disc[0]) ** 2 + (columns - disc[1]) ** 2 <= RADIUS**2
    return torch.from_numpy(np.where(inside, 2.0, 0.0)).float().expand(1, 3, SIDE, SIDE).contiguous()


def drawn_maps(name: str, layer: str) -> tuple[tuple[int, int], dict[str, list[Tensor]]]:
    """The disc's row and column, and library → the map (SIDE, SIDE) it draws of each class that the disc speaks for.

    Weights are random: where a cell looks depends on paddings and strides alone, so no training is needed to see it.
    """
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=CLASSES).eval()
    ours = AttributedClassifier(model, "grad_cam", layer)
    grid = ours.cell_grid(SIDE)
    disc = tuple(int(at) for at in grid.centre(*CELL))
    image, module = picture(disc), model.get_submodule(layer)
    heatmaps = ours.forward_heatmap(image)[0]
    labels = [label for label, one in enumerate(heatmaps) if one.max() > -one.min()]
    maps: dict[str, list[Tensor]] = {
        "pylon_zoo": [to_pixels(heatmaps[one].relu(), (SIDE, SIDE), grid) for one in labels]
    }
    cam = GradCAM(model=model, target_layers=[module])
    maps["pytorch-grad-cam"] = [torch.from_numpy(cam(image, [ClassifierOutputTarget(one)])[0]) for one in labels]
    cam.activations_and_grads.release()
    extractor = TorchCam(model, target_layer=module)
    shown = [extractor(one, model(image.clone().requires_grad_()))[0] for one in labels]
    maps["torch-cam"] = [nn.functional.interpolate(one[None], (SIDE, SIDE), mode="bilinear")[0, 0] for one in shown]
    extractor.remove_hooks()
    return disc, {library: [one.detach() for one in each] for library, each in maps.items()}


def place(drawn: Tensor) -> tuple[int, int]:
    """(row, column) of the brightest pixel, the middle one where several are equal."""
    rows, columns = torch.nonzero(drawn >= drawn.max() - 1e-6, as_tuple=True)
    return int(rows.float().median()), int(columns.float().median())


def side_by_side(disc: tuple[int, int], maps: dict[str, Tensor]) -> Image.Image:
    """The disc as a circle in two libraries' maps, each with a cross-hair at its peak."""
    side = SIDE * SCALE
    grey = np.kron(picture(disc)[0, 0].numpy() * 90 + 60, np.ones((SCALE, SCALE))).astype(np.float32)
    sheet = Image.new("RGB", (2 * side + 12, side), "white")
    for number, library in enumerate(("pylon_zoo", "pytorch-grad-cam")):
        values = to_pixels(maps[library] / maps[library].max(), (side, side)).numpy().clip(0, 1)
        canvas = blend(grey.copy(), values * 0.8, lookup_table("inferno"))
        row, column = place(maps[library])
        draw_crosshair(canvas, (column * SCALE + 0.5, row * SCALE + 0.5))
        panel = Image.fromarray(np.rint(canvas).clip(0, 255).astype(np.uint8))
        pen = ImageDraw.Draw(panel)
        corners = [(disc[1 - axis] + way * RADIUS) * SCALE for way in (-1, 1) for axis in (0, 1)]
        pen.ellipse(corners, outline=(90, 220, 255), width=3)
        pen.text((12, 10), f"{library}: peak at row {row}, column {column}", fill=(255, 255, 255), font_size=20)
        pen.text((12, 36), f"disc at row {disc[0]}, column {disc[1]}", fill=(90, 220, 255), font_size=20)
        sheet.paste(panel, (number * (side + 12), 0))
    return sheet


if __name__ == "__main__":
    main()
