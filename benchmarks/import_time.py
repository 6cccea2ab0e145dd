"""How long importing pylon_zoo and making a model take, beside `import timm` and timm's own classifier.

    python benchmarks/import_time.py --runs 7           # writes docs/speed.md and the CSV

Each run is a fresh process that does each step once, in the table's order, so that a step pays for what it is the first
to need; the first process of all is not counted. Medians over the runs. Exits with 1 if `import pylon_zoo` takes longer
on top of `import timm` than the limit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from machine import describe
from tables import PAGE, Row, command_for, publish, results_file

NAME = "import_time"
LIMIT_SECONDS = 0.3
IMPORT = "import pylon_zoo as pz"
# What is timed, in order, in one namespace; {0} is the backbone.
STEPS = (
    "import timm",
    IMPORT,
    'timm.create_model("{0}")',
    'pz.create_pylon("{0}", 14)',
    "pz.list_models()",
    "pz.optimize(model)",
)
MEASURE = """
import sys
from time import perf_counter
names, seconds = {}, []
for step in sys.argv[1:]:
    code = compile(step, step, "single" if step.startswith("import") else "eval")
    start = perf_counter()
    result = eval(code, names)
    seconds.append(perf_counter() - start)
    if "create_pylon" in step:
        names["model"] = result.eval()
print(*seconds)
"""


def measure(backbone: str) -> list[float]:
    """Seconds of each of `STEPS`, in a fresh process."""
    command = [sys.executable, "-c", MEASURE, *(step.format(backbone) for step in STEPS)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"The process that is timed failed:\n{done.stderr}")
    return [float(word) for word in done.stdout.split()]


def report(rows: Sequence[Row]) -> str:
    """The Markdown between the marks in docs/speed.md."""
    return "\n".join(
        [
            "| | seconds |",
            "|---|---|",
            *(f"| `{row['what']}` | {row['seconds']:.3f} |" for row in rows),
            f"\nMedians over {rows[0]['runs']} fresh processes that do these in order\n({rows[0]['machine']}).",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--runs", type=int, default=7, help="fresh processes (default: 7)")
    parser.add_argument("--csv", type=Path, default=results_file(NAME))
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file whose table to replace")
    args = parser.parse_args(argv)
    measure(args.backbone)  # fills the disk cache and writes the bytecode
    columns = zip(*(measure(args.backbone) for _ in range(args.runs)), strict=True)
    rows = [
        {
            "what": step.format(args.backbone),
            "seconds": round(median(seconds), 4),
            "least": round(min(seconds), 4),
            "most": round(max(seconds), 4),
            "runs": args.runs,
            "machine": describe(),
        }
        for step, seconds in zip(STEPS, columns, strict=True)
    ]
    publish(rows, report, args.csv, args.out, command_for(NAME))
    took = next(row["seconds"] for row in rows if row["what"] == IMPORT)
    print(f"{IMPORT}: {took:.3f} s on top of `import timm`; limit: {LIMIT_SECONDS} s")
    return int(took > LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
