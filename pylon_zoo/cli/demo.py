"""`pylon-zoo demo`: explain synthetic radiographs with the bundled checkpoint, offline, and say where it pointed."""

from __future__ import annotations

import argparse

MODEL = "pylon_resnet18.phantom_cxr"
IMAGES = (0, 1, 2, 3, 4, 5, 6, 7)  # of the phantoms' test split
SIZE = 512  # pixels; the model works at its own size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the images and the report")


def run(args: argparse.Namespace) -> int:
    """Write images, overlays, results.json and report.html; print peak against box for each finding."""
    from pathlib import Path

    from PIL import Image

    from pylon_zoo.data.boxes import contains
    from pylon_zoo.data.phantom import PhantomCxr
    from pylon_zoo.explanation.batch import explain_to_folder
    from pylon_zoo.factory import create_model

    phantoms = PhantomCxr("test", size=SIZE)
    samples = [phantoms[index] for index in IMAGES]
    named = [(f"{sample.path}.png", Image.fromarray(sample.image[0].numpy())) for sample in samples]
    results = explain_to_folder(create_model(MODEL), named, args.out, model_name=MODEL, top=len(phantoms.classes))

    hits = total = 0
    for sample, entry in zip(samples, results["images"], strict=True):
        found = {finding["label"]: finding for finding in entry["findings"]}
        present = [name for name, target in zip(phantoms.classes, sample.target, strict=True) if target == 1]
        print(f"{entry['path']}: {', '.join(present) or 'no finding'}")
        for name in present:
            peak, probability = found[name]["peak"], found[name]["probability"]
            hit = contains(sample.boxes, phantoms.classes.index(name), peak["x"], peak["y"])
            hits, total = hits + hit, total + 1
            where = "inside" if hit else "OUTSIDE"
            print(f"    {name:<14} p = {probability:.2f}   peak ({peak['x']}, {peak['y']}) {where} its box")
    print(f"{hits} of {total} peaks lie in the true box. Open {Path(args.out) / 'report.html'}")
    return 0
