"""How long commands take to start, and how long importing pylon_zoo and making a model take beside timm.

    python benchmarks/import_time.py --runs 7           # writes docs/speed.md and the CSV

Each command is a process of its own, one after the other in every run. The steps are done once each in one process, in
the table's order, so that a step pays for what it is the first to need. What is run first of all is not counted.
Medians over the runs, wall time and processor time of the process; ratios are of processor time, which other work on
the machine changes least. Exits with 1 if a command, or importing pylon_zoo, takes more of it than its limit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from machine import describe
from tables import PAGE, Row, command_for, publish, results_file

NAME = "import_time"
PYTHON, PACKAGE, TIMM = 'python -c "pass"', 'python -c "import pylon_zoo"', 'python -c "import timm"'
LIMITS = {PACKAGE: 0.15, "a command": 0.5, "import pylon_zoo as pz": 0.3}
"""Processor seconds: above bare Python, of a command that needs no model, and on top of `import timm`."""
COMMANDS = (
    "pylon-zoo --help",
    "pylon-zoo explian",
    "pylon-zoo train --epocs 3",
    "pylon-zoo explain a.png --model pylon_resnet18.phantom_cxr --method grad_camm",
    "pylon-zoo recipes list",
    "pylon-zoo weights list",
    "pylon-zoo list",
)
PROCESSES = (
    PYTHON,
    PACKAGE,
    *COMMANDS,
    'python -c "import torch"',
    TIMM,
    "python -c \"import timm; timm.create_model('{0}')\"",
    "python -c \"import pylon_zoo as pz; pz.create_model('pylon_{0}')\"",
)
"""What is started; {0} is the backbone."""
STEPS = (
    "import timm",
    "import pylon_zoo as pz",
    'timm.create_model("{0}")',
    'pz.create_pylon("{0}", 14)',
    "pz.list_models()",
    "pz.optimize(model)",
)
"""What is done in one process, in one namespace."""
RUN_COMMAND = "import sys; from pylon_zoo.cli.main import main; main(sys.argv[1:])"
THEN_SAY = "; import time, sys; print(time.process_time(), file=sys.stderr)"
RUN_STEPS = """
import sys
from time import perf_counter, process_time
names = {}
for step in sys.argv[1:]:
    code = compile(step, step, "single" if step.startswith("import") else "eval")
    wall, processor = perf_counter(), process_time()
    result = eval(code, names)
    print(perf_counter() - wall, process_time() - processor)
    if "create_pylon" in step:
        names["model"] = result.eval()
"""
Seconds = tuple[float, float]  # on the wall, of the processor


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Some code in a fresh process."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"The process that is timed failed:\n{done.stderr}")
    return done


def time_process(typed: str) -> Seconds:
    """A process that does what was typed, from its start to its end."""
    python = typed.startswith("python -c ")
    code, arguments = (typed.split('"', 1)[1].rstrip('"'), []) if python else (RUN_COMMAND, typed.split()[1:])
    start = perf_counter()
    done = run(code + THEN_SAY, *arguments)
    return perf_counter() - start, float(done.stderr.split()[-1])


def time_steps(steps: Sequence[str]) -> list[Seconds]:
    """Steps, one after the other in one process."""
    lines = run(RUN_STEPS, *steps).stdout.splitlines()
    return [(float(wall), float(processor)) for wall, processor in map(str.split, lines)]


def report(rows: Sequence[Row]) -> str:
    """The Markdown between the marks in docs/speed.md."""
    lines: list[str] = []
    for kind, heading in (("process", "a process of its own"), ("step", "in one process, in this order")):
        lines += [f"| {heading} | processor seconds | seconds | processor time, × `import timm` |", "|---|---|---|---|"]
        lines += [
            f"| `{row['what']}` | {row['processor']:.2f} | {row['seconds']:.2f} | {row['times_timm']:.2f} |"
            for row in rows
            if row["kind"] == kind
        ]
        lines.append("")
    return "\n".join([*lines, f"Medians over {rows[0]['runs']} runs ({rows[0]['machine']})."])


def row_of(kind: str, what: str, measured: Sequence[Seconds], timm: Sequence[Seconds]) -> dict[str, object]:
    """A line of the CSV; `timm` is what importing it takes."""
    walls, processor = zip(*measured, strict=True)
    return {
        "kind": kind,
        "what": what,
        "processor": round(median(processor), 4),
        "least": round(min(processor), 4),
        "most": round(max(processor), 4),
        "seconds": round(median(walls), 4),
        "times_timm": round(median(processor) / median(seconds for _, seconds in timm), 4),
        "runs": len(measured),
        "machine": describe(),
    }


def above_limits(rows: Sequence[Row]) -> list[str]:
    """A sentence for each limit that is not kept."""
    took = {row["what"]: row["processor"] for row in rows}
    limited = {
        PACKAGE: (took[PACKAGE] - took[PYTHON], LIMITS[PACKAGE]),
        "import pylon_zoo as pz": (took["import pylon_zoo as pz"], LIMITS["import pylon_zoo as pz"]),
        **{command: (took[command], LIMITS["a command"]) for command in COMMANDS},
    }
    return [f"{what}: {took:.2f} s; limit: {limit} s" for what, (took, limit) in limited.items() if took > limit]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--runs", type=int, default=7, help="of each process (default: 7)")
    parser.add_argument("--csv", type=Path, default=results_file(NAME))
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file whose table to replace")
    args = parser.parse_args(argv)
    processes = [typed.format(args.backbone) for typed in PROCESSES]
    steps = [step.format(args.backbone) for step in STEPS]
    measured: dict[tuple[str, str], list[Seconds]] = {}
    for _ in range(args.runs + 1):
        for typed in processes:
            measured.setdefault(("process", typed), []).append(time_process(typed))
        for step, seconds in zip(steps, time_steps(steps), strict=True):
            measured.setdefault(("step", step), []).append(seconds)
    # The first run fills the disk cache and writes the bytecode.
    timm = {"process": measured["process", TIMM][1:], "step": measured["step", "import timm"][1:]}
    rows = [row_of(kind, what, seconds[1:], timm[kind]) for (kind, what), seconds in measured.items()]
    publish(rows, report, args.csv, args.out, command_for(NAME))
    slow = above_limits(rows)
    print("\n".join(slow) or "Every limit is kept.")
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main())
