"""The picture in docs/dicom.md: a drawn radiograph as DICOM, and what another program shows of its results.

python benchmarks/dicom_pictures.py      # docs/images/dicom.png; needs the extra [dicom-out] and DCMTK's dcm2pnm

Everything in the picture is drawn by dcm2pnm: the source, the Secondary Capture, a frame of the Segmentation.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import pylon_zoo as pz
from pylon_zoo.data.phantom import PhantomCxr

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from radiographs import write_radiograph  # noqa: E402

MODEL, IMAGE, SIDE, GAP = "pylon_resnet18.phantom_cxr", 1, 512, 8


def main() -> None:
    """Write the source, explain it, and have its results drawn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=str(ROOT / "docs" / "images" / "dicom.png"))
    args = parser.parse_args()
    grey = PhantomCxr("test", size=SIDE)[IMAGE].image[0].numpy()
    with tempfile.TemporaryDirectory() as folder:
        source = write_radiograph(Path(folder, "source.dcm"), np.rint(grey / 255 * 4095).astype(np.uint16))
        explanation = pz.explain(pz.create_model(MODEL), source)
        label = explanation.ranking()[0][0]
        files = explanation.to_dicom(Path(folder, "out"), model_name=MODEL, labels=[label])
        shown = [one for one in files if one.stem.startswith(("capture", "segmentation"))]
        pictures = [drawn(one) for one in (source, *sorted(shown))]
    canvas = Image.new("RGB", (len(pictures) * (SIDE + GAP) - GAP, pictures[1].height), "black")
    below = pictures[1].height - explanation.overlay(label).height  # the capture's notice
    for place, picture in enumerate(pictures):
        canvas.paste(picture, (place * (SIDE + GAP), 0 if place == 1 else below))
    canvas.save(args.out, optimize=True)
    print(f"{label} in {args.out}")


def drawn(file: Path) -> Image.Image:
    """What dcm2pnm makes of the first frame."""
    picture = file.with_suffix(".png")
    subprocess.run(["dcm2pnm", "+on", str(file), str(picture)], check=True)
    with Image.open(picture) as opened:
        return opened.convert("RGB")


if __name__ == "__main__":
    main()
