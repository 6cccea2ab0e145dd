"""`predictions.npz` holds what an evaluation was made of, exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.evaluation.evaluate import evaluate
from pylon_zoo.evaluation.predictions import PREDICTIONS, read_predictions, write_predictions


def test_it_is_read_back_as_it_was(oracle, cards, tmp_path: Path):
    evaluation = evaluate(oracle, cards(), size=32)
    path = write_predictions(evaluation, tmp_path / "new")
    assert path == tmp_path / "new" / PREDICTIONS
    found, records = read_predictions(path.parent), evaluation.records
    assert (found.classes, found.paths) == (evaluation.classes, records.paths)
    for name in ("targets", "ranks", "probabilities"):
        assert torch.equal(getattr(found, name).nan_to_num(-1), getattr(records, name).nan_to_num(-1)), name
    outcomes = records.outcomes
    assert torch.equal(found.boxed, torch.stack([outcomes.images, outcomes.labels], dim=1))
    assert torch.equal(found.hits, outcomes.values.float())
    assert torch.equal(found.offsets, outcomes.offsets.float())
    assert found.size.tolist() == list(evaluation.size)
    assert torch.equal(found.of("upper"), found.offsets[found.boxed[:, 1] == found.classes.index("upper")])
    assert len(found.of("upper")) > 0


def test_the_same_evaluation_is_the_same_bytes(oracle, cards, tmp_path: Path):
    evaluation = evaluate(oracle, cards(), size=32)
    files = [write_predictions(evaluation, tmp_path / name).read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]


def test_what_cannot_be_written_or_read_is_said(oracle, cards, tmp_path: Path):
    evaluation = evaluate(oracle, cards(), size=32)
    with pytest.raises(ConfigError, match="holds no records of its images"):
        write_predictions(replace(evaluation, records=None), tmp_path)
    with pytest.raises(DataError, match=r"holds no predictions\.npz: give a folder that `pylon-zoo evaluate --out`"):
        read_predictions(tmp_path)
    whole = write_predictions(evaluation, tmp_path)
    whole.write_bytes(whole.read_bytes()[:100])
    with pytest.raises(DataError, match="cannot be read as what `pylon-zoo evaluate` wrote"):
        read_predictions(tmp_path)
