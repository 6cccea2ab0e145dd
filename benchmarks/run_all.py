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

import inference_speed
import side_by_side
import training_speed
from tables import PAGE, RESULTS_FOLDER, Row, read_csv, write_between_marks

COMMAND = "python benchmarks/run_all.py"
README = Path(__file__).parents[1] / "README.md"
CSV, OUT = "--csv", "--out"
# Script → its arguments, those of a trial, and where it can be told to write.
SCRIPTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "inference_speed": ("--rounds 7", "--backbone test_resnet --rounds 1 --no-compile", (CSV, OUT)),
    "side_by_side": ("--rounds 5", "--backbone test_resnet --rounds 1", (CSV, OUT)),
    "large": ("--rounds 3", "--backbone test_resnet --rounds 1 --sides 64 128", (CSV, OUT)),
    "training_speed": ("--rounds 7", "--backbone test_resnet --rounds 1 --batch 2", (CSV, OUT)),
    "attribution_speed": (
        "--rounds 3",
        "--backbone test_resnet --rounds 1 --batch 2 --loop-classes 1 --size 64",
        (CSV, OUT),
    ),
    "scaling": ("--rounds 5", "--backbone test_resnet --rounds 1 --sizes 128 256 --classes 1 200", (CSV, OUT)),
    "augmenting": ("--rounds 11", "--images 2 --rounds 1", (CSV, OUT)),
    "import_time": ("--runs 5", "--backbone test_resnet --runs 1", (CSV, OUT)),
    "decoding": ("", "--images 2 --runs 1", ()),
    "metrics": ("", "--maps 24 --images 1 --repeats 1", (CSV,)),
    "localization_speed": ("", "--backbone test_resnet --images 8 --size 64", (CSV, OUT)),
    "region_finding": ("", "--rounds 1", (CSV, OUT)),
}
ON_A_GPU = "inference_speed_cuda"  # written by its script with --device cuda, on a machine that has one
# What the README's table and sentences are made of.
SOURCES = ("side_by_side", "training_speed", ON_A_GPU)


def readme(results: Mapping[str, Sequence[Row]]) -> str:
    """The Markdown between the marks in README.md, from the rows of `SOURCES`."""
    speed = results["side_by_side"]
    first = speed[0]
    left_to_the_page = {side_by_side.title("paper", way) for way in side_by_side.EXPORTED}
    large, single = side_by_side.BATCHES
    lines = [
        f"`{first['backbone']}`, {inference_speed.CLASSES} classes, {inference_speed.SIZE} pixels, processor time of "
        f"one thread (load {first['load']}; {first['machine']}):\n",
        f"| a heatmap of every class, but for the classifier | × plain classifier, batches of {large} | one image |",
        "|---|---|---|",
        *(
            f"| {row['way']} | {row[f'to_plain_{large}']:.2f} | {row[f'to_plain_{single}']:.2f} |"
            for row in speed
            if row["way"] not in left_to_the_page
        ),
    ]
    sentences = (training(results["training_speed"]), gpu(results[ON_A_GPU]))
    return "\n".join([*lines, "", *sentences])


def training(rows: Sequence[Row]) -> str:
    """A sentence on steps of training."""
    ours = {row["model"]: row["throughput_to_plain_channels_last"] for row in rows}
    return (
        f"Training without a recipe steps through {ours[training_speed.NEW]:.2f} × as many images a second as the "
        f"plain classifier in channels last, the paper's PYLON through {ours[training_speed.PAPER]:.2f} × as many."
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
