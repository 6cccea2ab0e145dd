"""Every measurement of speed, one after another, and the README's table of what heatmaps cost.

    python benchmarks/run_all.py                        # some ten minutes on two quiet cores
    python benchmarks/run_all.py --quick                # a trial on a small network; writes nothing into the repository

A script that fails stops none of the others; the failures are named at the end, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter

import attribution_speed
import inference_speed
from tables import PAGE, RESULTS_FOLDER, Row, read_csv, write_between_marks

COMMAND = "python benchmarks/run_all.py"
README = Path(__file__).parents[1] / "README.md"
CSV, OUT = "--csv", "--out"
# Script → its arguments, those of a trial, and where it can be told to write.
SCRIPTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "inference_speed": ("--rounds 7", "--backbone test_resnet --rounds 1 --no-compile", (CSV, OUT)),
    "training_speed": ("--rounds 7", "--backbone test_resnet --rounds 1 --batch 2", (CSV, OUT)),
    "attribution_speed": (
        "--rounds 3",
        "--backbone test_resnet --rounds 1 --batch 2 --loop-classes 1 --size 64",
        (CSV, OUT),
    ),
    "scaling": ("--rounds 5", "--backbone test_resnet --rounds 1 --sizes 128 256 --classes 1 200", (CSV, OUT)),
    "import_time": ("--runs 5", "--backbone test_resnet --runs 1", (CSV, OUT)),
    "decoding": ("", "--images 2 --runs 1", ()),
    "metrics": ("", "--maps 24 --images 1 --repeats 1", (CSV,)),
    "localization_speed": ("", "--backbone test_resnet --images 8 --size 64", (CSV, OUT)),
    "region_finding": ("", "--rounds 1", (CSV, OUT)),
}
ON_A_GPU = "inference_speed_cuda"  # written by its script with --device cuda, on a machine that has one
# What the README's table and sentences are made of.
SOURCES = ("inference_speed", "training_speed", "attribution_speed", ON_A_GPU)


def readme(results: Mapping[str, Sequence[Row]]) -> str:
    """The Markdown between the marks in README.md, from the rows of `SOURCES`."""
    speed = results["inference_speed"]
    first, fastest = speed[0], inference_speed.fastest_peer(speed)
    shown = [row for row in speed if row["model"] not in inference_speed.PEERS or row["model"] in (fastest, "U-Net")]
    lines = [
        f"`{first['backbone']}`, {inference_speed.CLASSES} classes, {inference_speed.SIZE} pixels, "
        f"batches of {first['batch']}, logits and heatmaps ({first['machine']}):\n",
        "| | images/s | time, × plain classifier | peak memory |",
        "|---|---|---|---|",
        *("| {model} | {images_per_second:.1f} | {time_to_plain:.2f} | {peak_mb} MB |".format(**row) for row in shown),
    ]
    sentences = (loops(results["attribution_speed"]), training(results["training_speed"]), gpu(results[ON_A_GPU]))
    return "\n".join([*lines, "", *sentences])


def loops(rows: Sequence[Row]) -> str:
    """A sentence on maps a second."""
    layer, classes = rows[0]["layer"], inference_speed.CLASSES
    found = {row["method"]: row for row in rows if row["layer"] == layer and row["classes"] == classes}
    times = " and ".join(
        f"{found[name]['optimized_times']:.0f} × those of {name}"
        for name in (attribution_speed.PYTORCH_GRAD_CAM, attribution_speed.TORCHCAM)
    )
    return (
        f"Optimized PYLON makes {found[inference_speed.OPTIMIZED]['maps_per_second']:.0f} heatmaps a second, {times}."
    )


def training(rows: Sequence[Row]) -> str:
    """A sentence on steps of training."""
    ours = next(row for row in rows if row["model"] == "PYLON, channels last")
    default, channels_last = ours["throughput_to_plain_default"], ours["throughput_to_plain_channels_last"]
    return (
        f"PYLON in channels last trains on {default:.2f} × as many images a second as the plain classifier in its "
        f"default layout, {channels_last:.2f} × as many as it in channels last."
    )


def gpu(rows: Sequence[Row]) -> str:
    """A sentence on a GPU."""
    found = {row["model"]: row for row in rows}
    compiled, fastest = found[inference_speed.COMPILED], found[inference_speed.FASTEST]
    name, *_ = rows[0]["machine"].split(",")
    return (
        f"On a GPU ({name}) compiled PYLON takes {compiled['time_to_plain']:.2f} of the plain classifier's time, "
        f"and in bfloat16 {fastest['time_to_plain']:.2f}: "
        f"{fastest['images_per_second']:,.0f} images a second."
    )


def script(name: str, words: str) -> list[str]:
    """The command that runs a script with these arguments."""
    return [sys.executable, str(Path(__file__).with_name(f"{name}.py")), *words.split()]


def command(name: str, quick: bool, results: Path, page: Path) -> list[str]:
    """The command that runs a script of `SCRIPTS`, and tells it where to write."""
    usual, trial, writes = SCRIPTS[name]
    places = {CSV: str(results / f"{name}.csv"), OUT: str(page)}
    return script(name, trial if quick else usual) + [word for option in writes for word in (option, places[option])]


def run(name: str, quick: bool, results: Path, page: Path) -> bool:
    """Run a script; whether it succeeded."""
    print(f"== {name}", file=sys.stderr, flush=True)
    start = perf_counter()
    done = subprocess.run(command(name, quick, results, page))
    print(f"== {name}: {perf_counter() - start:.0f} s, exit code {done.returncode}", file=sys.stderr, flush=True)
    return done.returncode == 0


def run_all(quick: bool, results: Path, page: Path, readme_page: Path) -> list[str]:
    """Run every script, then write the README's table; the names of what failed."""
    failed = [name for name in SCRIPTS if not run(name, quick, results, page)]
    files = {name: (RESULTS_FOLDER if name == ON_A_GPU else results) / f"{name}.csv" for name in SOURCES}
    missing = [name for name, file in files.items() if not file.exists()]
    if missing:
        return [*failed, f"README table (lacks the results of {', '.join(missing)})"]
    write_between_marks(readme_page, readme({name: read_csv(file) for name, file in files.items()}), COMMAND)
    return failed


def main(argv: Sequence[str] | None = None) -> int:
    """Run all, write the README's table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="a trial on a small network, written to a temporary folder"
    )
    if parser.parse_args(argv).quick:
        with tempfile.TemporaryDirectory() as scratch:
            page, readme_page = (Path(shutil.copy(one, scratch)) for one in (PAGE, README))
            failed = run_all(True, Path(scratch), page, readme_page)
    else:
        failed = run_all(False, RESULTS_FOLDER, PAGE, README)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
