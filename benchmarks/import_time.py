"""How much `import pylon_zoo` costs beyond the `import timm` that its users pay anyway.

    python benchmarks/import_time.py --runs 7

Each run is a fresh process that imports timm, then pylon_zoo, and times both, on the clock and on the processor (which
other programs on the machine disturb less). Prints the medians and exits with 1 if ours exceeds the limit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from statistics import median

LIMIT_SECONDS = 0.3
MEASURE = """
from time import perf_counter, process_time
marks = [(perf_counter(), process_time())]
import timm
marks.append((perf_counter(), process_time()))
import pylon_zoo
marks.append((perf_counter(), process_time()))
print(*(after[i] - before[i] for before, after in zip(marks, marks[1:]) for i in (0, 1)))
"""
COLUMNS = ("timm, clock", "timm, processor", "pylon_zoo on top, clock", "pylon_zoo on top, processor")


def measure() -> list[float]:
    """Seconds of each of `COLUMNS`, in a fresh process."""
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="fresh processes (default: 7)")
    args = parser.parse_args(argv)
    measure()  # fills the disk cache and writes the bytecode
    columns = list(zip(*(measure() for _ in range(args.runs)), strict=True))
    for name, seconds in zip(COLUMNS, columns, strict=True):
        print(f"{name}: {median(seconds):.3f} s (median of {args.runs}, {min(seconds):.3f} to {max(seconds):.3f})")
    medians = [median(seconds) for seconds in columns]
    print(f"ratio: {1 + medians[2] / medians[0]:.3f} on the clock; limit: {LIMIT_SECONDS} s on top")
    return int(medians[2] > LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
