"""The size–accuracy curve behind the bundled checkpoint: backbones trained by one recipe on phantoms, then tested.

Each run appends its row to the CSV as it finishes, so that interrupted work is kept; a row that is there is not run
again.

    python benchmarks/size_accuracy.py pylon_regnetx_002 cam_regnetx_002 pylon_test_resnet
"""

from __future__ import annotations

import argparse
import csv
import shlex
import sys
from pathlib import Path

from pylon_zoo.data.registry import open_dataset
from pylon_zoo.evaluation import evaluate
from pylon_zoo.experiments.results import read_rows
from pylon_zoo.training.recipe_files import load_recipe
from pylon_zoo.training.train import train
from pylon_zoo.weights.checkpoint import load_checkpoint

MEASURED = ("parameters", "fp16_mb", "macro_auroc", "macro_point_accuracy", "nodule_auroc", "nodule_point_accuracy")
COLUMNS = ("model", "settings", *MEASURED, "train_images_per_second", "train_minutes", "command")


def main() -> None:
    """Train, test, append."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="<method>_<timm architecture>")
    parser.add_argument("--recipe", default="phantom_cxr_pylon")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where run folders go")
    parser.add_argument("--csv", type=Path, default=Path(__file__).parent / "results" / "size_accuracy.csv")
    args = parser.parse_args()

    settings = " ".join(args.settings)
    done = {(row["model"], row["settings"]) for row in read_rows(args.csv)}
    for model in args.models:
        if (model, settings) in done:
            print(f"{model} {settings}: already in {args.csv}")
            continue
        row = measure(model, args.recipe, args.settings, args.runs / f"{model}-{len(read_rows(args.csv))}")
        options = [part for setting in args.settings for part in ("--set", setting)]
        command = shlex.join(["python", "benchmarks/size_accuracy.py", model, "--recipe", args.recipe, *options])
        append(args.csv, {"model": model, "settings": settings, **row, "command": command})


def measure(model: str, recipe: str, settings: list[str], run: Path) -> dict[str, str]:
    """One trained and tested run, as the figures of a row."""
    loaded = load_recipe(recipe, [*settings, f'model.architecture="{model}"'])
    summary = train(loaded, run, overwrite=True, report=lambda epoch: print(model, epoch, file=sys.stderr))
    tested = evaluate(load_checkpoint(run), open_dataset("phantom", "test", size=loaded.data.size))
    nodule = tested.classes.index("Nodule")
    return {
        "parameters": str(summary["parameters"]),
        "fp16_mb": f"{summary['parameters'] * 2 / 1e6:.2f}",
        "macro_auroc": f"{tested.auroc.macro:.4f}",
        "macro_point_accuracy": f"{tested.point_accuracy.macro:.4f}",
        "nodule_auroc": f"{tested.auroc.per_class[nodule].item():.4f}",
        "nodule_point_accuracy": f"{tested.point_accuracy.per_class[nodule].item():.4f}",
        "train_images_per_second": f"{summary['images_per_second']:.0f}",
        "train_minutes": f"{summary['seconds'] / 60:.1f}",
    }


def append(path: Path, row: dict[str, str]) -> None:
    """One more row; the header first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
