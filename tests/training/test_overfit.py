"""32 phantoms are learnt by heart, and pointed at, from their labels alone."""

from __future__ import annotations

import copy

import pytest
import torch

from pylon_zoo.evaluation import evaluate
from pylon_zoo.training.engine import make_accelerator
from pylon_zoo.training.loop import fit
from pylon_zoo.training.recipe_files import load_recipe
from pylon_zoo.training.train import model_for, open_split, set_transforms

# With the encoder of the bundled checkpoint, which has seen none of these phantoms, and a decoder that knows nothing.
# From scratch 32 images are learnt by heart as well (AUROC 1), but through whatever cell happens to know them.
SETTINGS = [
    "data.options.seed=4",  # every class at least four times
    "data.train.count=32",
    "transfer.checkpoint=pylon_resnet18.phantom_cxr",
    "transfer.decoder=new",
    "transfer.head=new",
    "schedule.max_epochs=12",
    "schedule.evaluate_every=3",
    "loop.batch_size=8",
    "loop.precision=no",
    "loop.seed=1",
]


@pytest.mark.slow
def test_32_phantoms_are_told_apart_and_pointed_at():
    recipe = load_recipe("phantom_cxr_pointing", SETTINGS)
    phantoms = open_split(recipe, "train")
    judged = copy.copy(phantoms)
    torch.manual_seed(1)
    model = model_for(recipe, phantoms)
    set_transforms(recipe, model, phantoms, judged)
    losses = [epoch.validation for epoch in fit(model, phantoms, judged, recipe, make_accelerator("cpu", "no"))]
    first, *_, last = [seen.loss for seen in losses if seen]
    assert last < 0.5 * first
    learnt = evaluate(model.eval(), judged, controls=False)
    assert learnt.auroc.macro == 1.0
    assert learnt.point_accuracy.macro >= 0.95
