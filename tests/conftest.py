"""For all tests: offline, and one thread each, because `pytest -n` already uses every core."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when huggingface_hub is imported

import torch

torch.set_num_threads(1)
