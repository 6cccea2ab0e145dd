"""A small model on disk, and the way from inputs to a table in one call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pylon_zoo.deployment.prediction.predict import predict_to_parquet
from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.weights.checkpoint import load_checkpoint, save_checkpoint

LABELS = ("nodule", "mass", "pleural effusion")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained PYLON with one channel, whose classes are found in about half of all images."""
    torch.manual_seed(0)
    model = build_model("pylon_test_resnet", 3, in_chans=1, label_names=LABELS)
    model.pretrained_cfg |= {"input_size": (1, 64, 64)}
    return str(save_checkpoint(model, tmp_path_factory.mktemp("checkpoint")))


@pytest.fixture(scope="session")
def model(checkpoint: str) -> HeatmapClassifier:
    """The same in memory."""
    return load_checkpoint(checkpoint)


@pytest.fixture
def predict(model: HeatmapClassifier, tmp_path: Path) -> Callable[..., pa.Table]:
    """`predict(*inputs, out="out.parquet", **options)`: the table that comes of it."""

    def run(*inputs: str | Path, out: str = "out.parquet", **options: Any) -> pa.Table:
        predict_to_parquet(model, inputs, tmp_path / out, **{"model_name": "small", "batch_size": 4, **options})
        return pq.read_table(tmp_path / out)

    return run
