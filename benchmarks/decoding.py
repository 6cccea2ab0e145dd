"""How many images a second load and become a model's input, from 1024-pixel PNGs and from `data prepare`'s copy.

    python benchmarks/decoding.py --images 48
    python benchmarks/decoding.py --data nih-cxr14:DIR --images 200

One process, one thread, the disk cache warm. Without --data, phantom radiographs are drawn and written first. The two
folders take turns within one run, so that the ratio holds whatever else the machine does.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from machine import describe
from PIL import Image

from pylon_zoo.data.images import read_image, to_channels
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.data.prepared import PrepareOptions
from pylon_zoo.data.registry import parse_data_spec
from pylon_zoo.data.shrink import shrink
from pylon_zoo.data.transforms import EvalTransform


def draw(folder: Path, count: int) -> list[Path]:
    """Phantoms as 8-bit PNGs of 1024 by 1024 pixels."""
    paths = []
    for number, sample in enumerate(PhantomCxr("train", size=1024, count=count)):
        pixels = (sample.image[0].float() * (1 if sample.image.dtype == torch.uint8 else 255)).round().byte()
        paths.append(folder / f"{number}.png")
        Image.fromarray(pixels.numpy()).save(paths[-1])
    return paths


def rate(paths: Sequence[Path], size: int) -> float:
    """Images a second, read and brought to a grey model's input of `size`."""
    transform = EvalTransform((size, size), mean=(0.5,), std=(0.25,))
    started = perf_counter()
    for path in paths:
        transform.image(to_channels(read_image(path), 1))
    return len(paths) / (perf_counter() - started)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="NAME:DIR", help="real images instead of phantoms")
    parser.add_argument("--images", type=int, default=48, help="how many (default: 48)")
    parser.add_argument("--runs", type=int, default=5, help="turns (default: 5)")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    print(describe())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if args.data:
            name, root = parse_data_spec(args.data)
            before = sorted(root.glob("images*/**/*.png"))[: args.images]
        else:
            name, before = "phantom", draw(folder, args.images)
        for input_size, prepared in ((256, 320), (512, 576)):
            after = []
            for path in before:
                after.append(folder / f"{prepared}_{path.name}")
                after[-1].write_bytes(shrink(path, PrepareOptions(name, prepared), 1)[0])
            turns = [(rate(before, input_size), rate(after, input_size)) for _ in range(args.runs)]
            slow, fast = (median(rates) for rates in zip(*turns, strict=True))
            ratio = median(later / earlier for earlier, later in turns)
            print(
                f"model at {input_size}: {slow:.1f} images/s from originals, {fast:.1f} from copies of {prepared}: "
                f"{ratio:.1f} times (medians of {args.runs}, {len(before)} images)"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
