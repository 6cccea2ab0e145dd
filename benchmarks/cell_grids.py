"""Where the cells of timm's networks lie: the table that ships, and claims against measured centres.

    python benchmarks/cell_grids.py --table      # follows every architecture of timm: pylon_zoo/models/first_cells.csv
    python benchmarks/cell_grids.py              # measures those of NETWORKS with gradients: docs/cells.md

A measurement is the centroid of the squared gradient of one cell, over fresh random weights and noise for each probe,
see `pylon_zoo.models.probing`. Probes are added until the standard error is a quarter of what is allowed, or there are
enough.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import timm
import torch
from tables import publish, read_csv, results_file, write_csv

import pylon_zoo.models.grids as grids
from pylon_zoo.errors import ConfigError, PylonZooError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.names import list_backbones, timm_module
from pylon_zoo.models.probing import Measured, draw_weights, measure_firsts

COMMAND = "python benchmarks/cell_grids.py"
PAGE = Path(__file__).parents[1] / "docs" / "cells.md"
TABLE = Path(grids.__file__).parent / grids.TABLE
SIZES = ((224, 224), (320, 256), (299, 300))
PROBES, MOST_PROBES = 8, 16
# Small members of each family first: a run that is stopped goes on where it was.
NETWORKS = [
    "caformer_s18",
    "cait_xxs24_224",
    "coat_lite_tiny",
    "coatnet_nano_rw_224",
    "convit_tiny",
    "convnext_atto",
    "convnext_atto_ols",
    "convnextv2_atto",
    "crossvit_9_240",
    "cs3darknet_focus_s",
    "cs3darknet_s",
    "darknet17",
    "deit_tiny_patch16_224",
    "densenet121",
    "dla34",
    "dla46_c",
    "dpn48b",
    "edgenext_xx_small",
    "efficientformer_l1",
    "efficientformerv2_s0",
    "efficientnet_b0",
    "efficientnet_lite0",
    "efficientvit_b0",
    "efficientvit_m0",
    "ese_vovnet19b_slim_dw",
    "eva02_tiny_patch14_224",
    "fasternet_t0",
    "fastvit_t8",
    "fbnetc_100",
    "ghostnet_050",
    "ghostnetv2_100",
    "hardcorenas_a",
    "hgnetv2_b0",
    "inception_next_atto",
    "inception_v3",
    "levit_128s",
    "mixer_s32_224",
    "mixnet_s",
    "mnasnet_small",
    "mobilenetv2_050",
    "mobilenetv3_small_050",
    "mobilenetv4_conv_small",
    "mobilevit_xxs",
    "mobilevitv2_050",
    "nf_regnet_b0",
    "pit_ti_224",
    "pvt_v2_b0",
    "pvt_v2_b1",
    "regnetx_002",
    "regnety_002",
    "regnetz_005",
    "repghostnet_050",
    "repvit_m0_9",
    "resnet10t",
    "resnet18",
    "resnet18d",
    "rexnet_100",
    "semnasnet_075",
    "shvit_s1",
    "spnasnet_100",
    "starnet_s1",
    "swiftformer_xs",
    "test_byobnet",
    "test_coatnet",
    "test_convnext",
    "test_convnext2",
    "test_convnext3",
    "test_efficientnet",
    "test_efficientnet_evos",
    "test_efficientnet_gn",
    "test_efficientnet_ln",
    "test_mambaout",
    "test_maxvit",
    "test_nfnet",
    "test_resnet",
    "test_vit",
    "test_vit2",
    "test_vit3",
    "test_vit4",
    "test_vit_relpos",
    "tf_efficientnet_b0",
    "tf_efficientnet_lite0",
    "tf_efficientnetv2_b0",
    "tf_mixnet_s",
    "tf_mobilenetv3_small_minimal_100",
    "tiny_vit_5m_224",
    "visformer_tiny",
    "vit_tiny_patch16_224",
    "xcit_nano_12_p16_224",
]


WHOLE = "looks at the whole image, so the centroid is near its middle whichever the cell"
WINDOWS = "attends within windows, which do not lie around the cell"
# What is likely behind levels outside by more than the measurement's error.
REASONS = {
    "coatnet_nano_rw_224": WHOLE,
    "convit_tiny": WHOLE,
    "efficientformerv2_s0": WHOLE,
    "efficientvit_m0": WINDOWS,
    "levit_128s": WHOLE,
    "mixer_s32_224": WHOLE,
    "mobilevit_xxs": WHOLE,
    "mobilevitv2_050": WHOLE,
    "nf_regnet_b0": "branches of unlike strength meet, whose centres the claim averages as equals",
    "pvt_v2_b0": WHOLE,
    "pvt_v2_b1": WHOLE,
    "shvit_s1": WHOLE,
    "starnet_s1": "multiplies maps, so few pixels have most of the gradient",
    "test_coatnet": WHOLE,
    "test_maxvit": WINDOWS,
    "tiny_vit_5m_224": WINDOWS,
}


def main() -> None:
    """Follow all of timm, or measure `NETWORKS` and write the page's table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="write the table that ships, instead of measuring")
    parser.add_argument("--pattern", default="", help="with --table: only these architectures, and print; a wildcard")
    parser.add_argument("--networks", nargs="*", default=NETWORKS, metavar="NAME", help="measure only these, and print")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    if args.table:
        write_table(args.pattern)
        return
    results = results_file("cell_grids")
    whole = args.networks is NETWORKS
    rows = read_csv(results) if whole and results.exists() else []
    done = {(row["network"], row["height"], row["width"]) for row in rows}
    for name, size in product(args.networks, SIZES):
        if (name, *size) in done:
            continue
        for row in measure(name, size):
            print(*row.values(), flush=True)
            rows.append(row)
        if whole:  # so that a run that was stopped goes on here
            write_csv(results, rows)
    if whole:
        publish(rows, report, results, PAGE, COMMAND)


def write_table(pattern: str) -> None:
    """Follow architectures through their layers, on PyTorch's meta device where they run there."""
    same: dict[str, list[str]] = defaultdict(list)
    for name in list_backbones(pattern):
        firsts = followed(name)
        print(name, firsts or "is left to a run of the network", flush=True)
        if firsts:
            same[" ".join(f"{stride}:{first:g}" for stride, first in firsts.items())].append(name)
    if not pattern:
        lines = sorted(f"{levels},{' '.join(names)}" for levels, names in same.items())
        text = "\n".join(("first pixel of each level by stride,architectures", *lines, ""))
        TABLE.write_text(text, encoding="utf-8", newline="\n")


def followed(name: str) -> dict[int, float]:
    """Stride of a level → centre of its first cell; empty where that cannot be said so simply."""
    for device in ("meta", "cpu"):
        try:
            with torch.device(device):
                encoder = Backbone(name, output_stride=1)
                levels = encoder.traced_levels()
        except (PylonZooError, NotImplementedError, RuntimeError, ZeroDivisionError, AssertionError):
            continue
        firsts: dict[int, float] = {}
        for level, stride in zip(levels, encoder.strides, strict=True):
            down, across = level.grid.first
            if level.lacking != (0, 0) or level.grid.step != (stride, stride) or down != across:
                return {}
            if firsts.setdefault(stride, down) != down:
                return {}
        return firsts
    return {}


def measure(name: str, size: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """A row per level of an architecture at a size, which it is built for where it can run at one size only."""
    try:
        encoder = Backbone(name, output_stride=2, img_size=size).eval().requires_grad_(False)
    except ConfigError:  # of one that exists for its own size alone
        return
    noise = torch.Generator().manual_seed(0)

    def run(images: torch.Tensor) -> Sequence[torch.Tensor]:
        draw_weights(encoder, noise)
        return encoder(images)

    started = time.perf_counter()
    claims = encoder.cell_grids(size)
    allowed = [max(1.0, 0.1 * stride) for stride in encoder.strides]
    found: list[list[Measured]] = []
    while not found or (
        PROBES * len(found) < MOST_PROBES
        and any(max(one.error) > most / 4 for one, most in zip(pooled(found), allowed, strict=True))
    ):
        images = torch.zeros(1, 3, *size)
        found.append(measure_firsts(run, images, [grid.step for grid in claims], PROBES, seed=len(found)))
    for grid, one, stride, most in zip(claims, pooled(found), encoder.strides, allowed, strict=True):
        off = [said - measured for said, measured in zip(grid.first, one.first, strict=True)]
        yield {
            "network": name,
            "family": timm_module(name),
            "height": size[0],
            "width": size[1],
            "stride": stride,
            "claimed": grid.first[0],
            "off_down": round(off[0], 2),
            "off_across": round(off[1], 2),
            "error": round(max(one.error), 2),
            "allowed": most,
            "within": int(max(map(abs, off)) <= most),
            "probes": PROBES * len(found),
            "seconds": round(time.perf_counter() - started, 1),
        }


def pooled(found: Sequence[Sequence[Measured]]) -> list[Measured]:
    """Several measurements of the same maps as one."""
    return [
        Measured(
            tuple(sum(one.first[axis] for one in same) / len(same) for axis in (0, 1)),
            tuple(sum(one.error[axis] ** 2 for one in same) ** 0.5 / len(same) for axis in (0, 1)),
        )
        for same in zip(*found, strict=True)
    ]


def report(rows: Sequence[dict[str, Any]]) -> str:
    """A line per network: where cells of each stride are claimed to be, less their tile, and how far that is off."""
    text = [
        "| network | family | 32 | 16 | 8 | 4 | largest difference ÷ allowed | outside |",
        "|---|---|---|---|---|---|---|---|",
    ]
    by_network: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_network[row["network"]].append(row)
    for name, own in sorted(by_network.items()):
        tiles = {row["stride"]: f"{row['claimed'] - (row['stride'] - 1) / 2:+g}" for row in own}
        cells = [tiles.get(stride, "–").replace("+0", "0").replace("-", "−") for stride in (32, 16, 8, 4)]
        worst = max(max(abs(row["off_down"]), abs(row["off_across"])) / row["allowed"] for row in own)
        outside = [row for row in own if not row["within"]]
        notes = [f"stride {row['stride']} at {row['height']} × {row['width']}: {excess(row)}" for row in outside]
        if not all(map(is_noise, outside)):
            notes.append(REASONS[name])
        text.append(f"| `{name}` | {own[0]['family']} | {' | '.join(cells)} | {worst:.2f} | {'; '.join(notes)} |")
    outside = [row for row in rows if not row["within"]]
    noisy = sum(is_noise(row) for row in outside)
    every = list(by_network.values())
    everywhere = [own for own in every if {(row["height"], row["width"]) for row in own} == set(SIZES)]
    families, of_those = (len({own[0]["family"] for own in some}) for some in (every, everywhere))
    head = (
        f"{len(every)} networks of {families} families, timm {timm.__version__}; {len(everywhere)} of {of_those} at "
        f"{', '.join(f'{height} × {width}' for height, width in SIZES)} pixels, the others at those that they exist "
        f"for. Of {len(rows)} measured levels {len(rows) - len(outside)} lie within max(1 px, 10 % of the stride) of "
        f"the claim, {noisy} more lie outside by less than two standard errors of the measurement, and the other "
        f"{len(outside) - noisy} are named in the last column, with what is likely behind it. A level that looks at "
        "the whole image cannot be measured so: the centroid of the gradient is the image's middle for every cell. A "
        "measurement then says what it starts from, which is tiles or what a few rough probes gave, and strays most at "
        "299 × 300, where padded rows hold no pixel."
    )
    return "\n".join([head, "", *text])


def excess(row: dict[str, Any]) -> str:
    """By how much a measured level lies outside, in words."""
    off = max(abs(row["off_down"]), abs(row["off_across"]))
    return f"{off:.1f} ± {row['error']:.1f} px" + (" (noise)" if is_noise(row) else "")


def is_noise(row: dict[str, Any]) -> bool:
    """Whether a level is outside by no more than two standard errors of its measurement."""
    return max(abs(row["off_down"]), abs(row["off_across"])) - 2 * row["error"] <= row["allowed"]


if __name__ == "__main__":
    main()
