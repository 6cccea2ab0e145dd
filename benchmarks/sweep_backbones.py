"""Build PYLON on every timm architecture, run it, and write what came out: docs/backbones.md.

Everything runs on PyTorch's meta device (shapes without numbers), except the families that need real numbers to run at
all. A second pass runs the smallest member of each group of equal strides at an odd size.

    python benchmarks/sweep_backbones.py --out docs/backbones.md      # all of timm, about 10 minutes on a free core
    python benchmarks/sweep_backbones.py --pattern "test_*"           # a few seconds, prints only
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import timm
import torch

import pylon_zoo
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.names import list_backbones, timm_module

CLASSES = 2
ODD_SIZE = (300, 417)
# Architectures that read numbers back from the device while they run: they run for real, at a small size.
NEEDS_NUMBERS = {"gemma4_vit": (96, 96)}


@dataclass(frozen=True)
class Row:
    """What one architecture did at one input size.

    Attributes:
        strides: pixels per cell of the levels PYLON uses, coarse to fine.
        rule: how it takes sizes, a key of `RULES`.
        size: (height, width) of the images, in pixels.
        missing: cells that its levels lack against ⌈side ÷ stride⌉, as text; empty if none.
        failure: why it failed; empty if it did not.
        refused: what it says to a larger size that it cannot be built for; it ran at `size` instead.
    """

    name: str
    family: str
    strides: tuple[int, ...] = ()
    rule: str = ""
    size: tuple[int, int] = (0, 0)
    parameters: int = 0
    missing: str = ""
    failure: str = ""
    refused: str = ""


# How a network takes sizes → (what that means, is it so). The first that is so counts.
RULES: dict[str, tuple[str, Callable[[Backbone], bool]]] = {
    "native only": (
        "Built for one size only; smaller images are padded to it, larger ones must be resized.",
        lambda encoder: encoder.fixed_size is not None and encoder.rule.native_only,
    ),
    "square": (
        "Built for one square (its own, or one that covers `img_size=`); smaller images are padded to it.",
        lambda encoder: encoder.rule.square,
    ),
    "fixed size": (
        "Built for one size (its own, or `img_size=`); smaller images are padded to it.",
        lambda encoder: encoder.fixed_size is not None,
    ),
    "coarse steps": (
        "Any size; images are padded to multiples of more than the coarsest stride, or to a minimum above 32 pixels.",
        lambda encoder: encoder.rule.multiple > 1 or encoder.rule.minimum > 32,
    ),
    "flexible": ("Any size; images are padded to a multiple of the coarsest stride.", lambda encoder: True),
}


def rule_of(encoder: Backbone) -> str:
    """The key of `RULES` that describes a backbone."""
    return next(name for name, (_, applies) in RULES.items() if applies(encoder))


def run(name: str, size: tuple[int, int] | None = None) -> Row:
    """Build PYLON on an architecture and run it once at `size`, or at the architecture's own size; never raises."""
    family = timm_module(name)
    real = family in NEEDS_NUMBERS
    try:
        with torch.device("cpu" if real else "meta"), torch.no_grad():
            return _run(name, family, NEEDS_NUMBERS[family] if real and size is None else size)
    except Exception as error:  # the sweep's purpose is to count these
        return Row(name, family, failure=f"{type(error).__name__}: {error}".splitlines()[0][:200])


def _run(name: str, family: str, size: tuple[int, int] | None) -> Row:
    model = pylon_zoo.create_pylon(name, classes=CLASSES).eval()
    encoder = model.encoder
    size = size or tuple(model.pretrained_cfg["input_size"][1:])
    refused = ""
    if encoder.fixed_size is not None and any(a > b for a, b in zip(size, encoder.fixed_size, strict=True)):
        refused = _refusal(encoder, size)
        if encoder.rule.native_only:
            size = encoder.fixed_size
        else:
            model = pylon_zoo.create_pylon(name, classes=CLASSES, img_size=size).eval()
            encoder, refused = model.encoder, ""
    levels: list[tuple[int, int]] = []
    handle = encoder.register_forward_hook(lambda *args: levels.extend(tuple(m.shape[-2:]) for m in args[2]))
    logits, heatmap = model.forward_with_heatmap(torch.zeros(1, model.in_chans, *size))
    handle.remove()
    finest = levels[-1]
    if tuple(logits.shape) != (1, CLASSES) or tuple(heatmap.shape) != (1, CLASSES, *finest):
        raise AssertionError(f"logits {tuple(logits.shape)}, heatmap {tuple(heatmap.shape)}, finest level {finest}")
    expected = [tuple(-(-side // stride) for side in size) for stride in encoder.strides]
    gaps = [f"{a[0]}×{a[1]} for {b[0]}×{b[1]}" for a, b in zip(levels, expected, strict=True) if a != b]
    return Row(
        name,
        family,
        strides=tuple(encoder.strides),
        rule=rule_of(encoder),
        size=size,
        parameters=sum(p.numel() for p in encoder.parameters()),
        missing=", ".join(gaps),
        refused=refused,
    )


def _refusal(encoder: Backbone, size: tuple[int, int]) -> str:
    try:
        encoder.padded_size(*size)
    except ConfigError as error:
        return str(error)
    raise AssertionError(f"{encoder.name} is built for {encoder.fixed_size} but takes {size}")


def smallest_of_each_group(rows: Iterable[Row]) -> list[str]:
    """The member with the fewest parameters of each (family, strides, rule), without failures."""
    groups: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if not row.failure:
            groups[row.family, row.strides, row.rule].append(row)
    return [min(group, key=lambda row: row.parameters).name for group in groups.values()]


def sweep(names: Sequence[str], size: tuple[int, int] | None = None, *, quiet: bool = False) -> list[Row]:
    """`run` each name, with a line of progress per name on stderr."""
    rows = []
    for index, name in enumerate(names, 1):
        start = time.perf_counter()
        rows.append(run(name, size))
        if not quiet:
            row = rows[-1]
            state = row.failure or f"{row.strides} {row.rule} {row.missing}"
            print(
                f"{index}/{len(names)} {name} {time.perf_counter() - start:.1f} s {state}", file=sys.stderr, flush=True
            )
    return rows


def report(rows: Sequence[Row], odd: Sequence[Row]) -> str:
    """The Markdown of docs/backbones.md."""
    failed = [row for row in (*rows, *odd) if row.failure]
    worked = [row for row in rows if not row.failure]
    families = {row.family for row in rows}
    real = [row.name for row in rows if row.family in NEEDS_NUMBERS]
    parts = [
        "# Backbones\n\nEvery architecture of `timm.list_models()` as PYLON's encoder. "
        "Written by `python benchmarks/sweep_backbones.py --out docs/backbones.md`.\n",
        f"timm {timm.__version__}: {len(rows)} architectures of {len(families)} families (files of `timm.models`); "
        f"{len(worked)} build and give a heatmap at their own input size, {len(rows) - len(worked)} fail. "
        f"At {ODD_SIZE[0]}×{ODD_SIZE[1]} pixels the smallest member of each family, strides and size rule: "
        f"{sum(not row.failure and not row.refused for row in odd)} of {len(odd)} run, "
        f"{sum(bool(row.refused) for row in odd)} say that they cannot, "
        f"{sum(bool(row.failure) for row in odd)} fail.\n",
        "The runs are on PyTorch's meta device, which computes shapes and no numbers"
        + (f"; {', '.join(f'`{name}`' for name in real)} read numbers back and run for real.\n" if real else ".\n"),
        "## Failures\n",
        _table(("architecture", "pixels", "why"), [(f"`{r.name}`", _size(r.size), r.failure) for r in failed])
        if failed
        else "None.\n",
        "## Strides\n\nPixels per cell of the levels the decoder gets by default (`output_stride=4`), coarse to fine. "
        "The heatmap has the last one's size; with `stem=True`, where that is coarser than 4, cells of 4 pixels.\n",
        _table(
            ("strides", "architectures", "families", "smallest"),
            [
                (" ".join(map(str, strides)), len(group), len({row.family for row in group}), _smallest(group))
                for strides, group in _grouped(worked, lambda row: row.strides)
            ],
        ),
        "## Input sizes\n",
        _table(
            ("rule", "what it means", "architectures", "families"),
            [
                (rule, RULES[rule][0], len(group), ", ".join(sorted({row.family for row in group})))
                for rule, group in _grouped(worked, lambda row: row.rule)
            ],
        ),
        "## Levels that are smaller than ⌈side ÷ stride⌉\n\nThese networks have convolutions without padding, so their "
        "maps lack cells at the border, or a stride that timm rounds (CrossViT: 17 for 17.1). Upsampling fits each map "
        "to the next one; places near the border shift by up to the missing cells.\n",
        _table(
            ("architectures", "pixels", "cells"),
            [
                (", ".join(f"`{row.name}`" for row in group), _size(size), missing)
                for (size, missing), group in _grouped(
                    [row for row in (*worked, *odd) if row.missing], lambda row: (row.size, row.missing)
                )
            ],
        ),
        "## Families\n",
        _table(
            ("family", "architectures", "strides", "input sizes", "smallest", "parameters of its encoder"),
            [
                (
                    family,
                    len(group),
                    "; ".join(sorted({" ".join(map(str, row.strides)) for row in group})),
                    ", ".join(sorted({row.rule for row in group})),
                    _smallest(group),
                    f"{min(row.parameters for row in group) / 1e6:.1f} M",
                )
                for family, group in sorted(_grouped(worked, lambda row: row.family))
            ],
        ),
    ]
    return "\n".join(parts)


def _grouped(rows: Iterable[Row], key: Callable[[Row], object]) -> list[tuple[object, list[Row]]]:
    groups: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return sorted(groups.items(), key=lambda item: -len(item[1]))


def _smallest(rows: Sequence[Row]) -> str:
    return f"`{min(rows, key=lambda row: row.parameters).name}`"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}" if any(size) else "own"


def _table(head: Sequence[str], body: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Sweep, print the counts, write the report; 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pattern", default="*", help="shell wildcard of architectures (default: all)")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--quiet", action="store_true", help="no line per architecture")
    args = parser.parse_args(argv)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    rows = sweep(list_backbones(args.pattern), quiet=args.quiet)
    odd = sweep(smallest_of_each_group(rows), ODD_SIZE, quiet=args.quiet)
    if args.out:
        args.out.write_text(report(rows, odd), encoding="utf-8", newline="\n")
    failed = [row for row in (*rows, *odd) if row.failure]
    for row in failed:
        print(f"{row.name} at {_size(row.size)}: {row.failure}")
    print(f"{len(rows)} architectures, {len(odd)} of them also at {_size(ODD_SIZE)}; {len(failed)} failures")
    print(dict(Counter(row.rule for row in rows)))
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
