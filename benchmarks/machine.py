"""What a measurement ran on, in one line without the machine's name."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import timm
import torch

CPUINFO = Path("/proc/cpuinfo")


def describe(device: str = "cpu") -> str:
    """Processor, threads and cores, or the GPU; torch and timm."""
    if device != "cpu":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}, timm {timm.__version__}"
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    threads = f"{torch.get_num_threads()} threads of {os.cpu_count()} cores"
    return f"{processor}, {threads}, torch {torch.__version__}, timm {timm.__version__}"
