"""Several processes do what one does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from processes import free_port, start, twenty_steps

from pylon_zoo.models.build import build_model
from pylon_zoo.scoring import score
from pylon_zoo.training.loaders import validation_loader
from pylon_zoo.training.validation import judge


def trained(folder: Path, processes: int, **sections: Any) -> tuple[list[dict[str, Any]], dict[str, list[float]]]:
    """Epochs and final weights of a run in so many processes."""
    result, port = folder / f"{processes}-{len(list(folder.iterdir()))}.json", free_port()
    running = [start(twenty_steps, rank, processes, port, str(result), sections) for rank in range(processes)]
    for process in running:
        process.join(timeout=600)
    logs = "".join(path.read_text(encoding="utf-8") for path in folder.glob(f"{result.name}.*.log"))
    assert [process.exitcode for process in running] == [0] * processes, logs
    content = json.loads(result.read_text(encoding="utf-8"))
    return content["epochs"], content["weights"]


PARTS = ((2, {}), (2, {"accumulate": 2}), (1, {"accumulate": 2}))
VIEWS = {"consistency": {"views": 0.5}, "loss": {"pooling": "topk"}, "schedule": {"name": "cosine", "max_epochs": 3}}


@pytest.mark.slow
@pytest.mark.parametrize(("terms", "ways"), [({}, PARTS), (VIEWS, PARTS[:1])], ids=["labels", "views"])
def test_two_processes_and_accumulated_parts_learn_what_one_batch_does(tmp_path, terms, ways):
    """In float64, without batch normalisation and augmentation, with unknown labels and a smaller last step."""
    one, weights = trained(tmp_path, 1, **terms)
    for processes, loop in ways:
        other, others = trained(tmp_path, processes, **terms, loop=loop)
        for ours, theirs in zip(one, other, strict=True):
            assert theirs["loss"] == pytest.approx(ours["loss"], abs=1e-6)
            assert theirs["validation"]["loss"] == pytest.approx(ours["validation"]["loss"], abs=1e-6)
            for metric in ("auroc", "point_accuracy"):
                assert theirs["validation"][metric] == ours["validation"][metric]
        for name, values in weights.items():
            assert others[name] == pytest.approx(values, abs=1e-5), name
    assert one[-1]["loss"] < one[0]["loss"]


@pytest.mark.parametrize("processes", [2, 3, 5])
def test_figures_do_not_depend_on_how_the_split_was_shared_out(spots, processes):
    data, model = spots("val", count=14), build_model("pylon_test_resnet", 2, 1).eval()

    def figures(count: int):
        loaders = [validation_loader(data, 4, process=process, processes=count) for process in range(count)]
        keepers = [score(model, loader, "cpu", indices=loader.batch_sampler.indices) for loader in loaders]
        return judge(keepers[0], [keeper.state() for keeper in keepers])

    assert figures(processes) == figures(1)
