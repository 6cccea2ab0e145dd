"""What a measurement ran on, in one line without the machine's name; how busy that is; how much memory was taken."""

from __future__ import annotations

import math
import os
import platform
import sys
from pathlib import Path

import timm
import torch

RESIDENT_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


def describe(device: str = "cpu") -> str:
    """Processor, threads and cores, or the GPU; torch and timm."""
    if device != "cpu":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}, timm {timm.__version__}"
    names = [line.partition(":")[2].strip() for line in kernel_says("cpuinfo") if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    threads = f"{torch.get_num_threads()} threads of {os.cpu_count()} cores"
    return f"{processor}, {threads}, torch {torch.__version__}, timm {timm.__version__}"


def kernel_says(name: str) -> list[str]:
    """The lines of a file of the Linux kernel's; none on other systems."""
    return Path("/proc", name).read_text(encoding="utf-8").splitlines() if sys.platform == "linux" else []


def load() -> float:
    """How many processes wanted to run in the last minute; NaN on Windows, which does not count them."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan


def peak_resident() -> int:
    """This process's peak resident memory so far, in bytes."""
    for line in kernel_says("self/status"):  # Linux counts in ru_maxrss what the parent held when it started this one
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RESIDENT_UNIT
