"""The schema: its defaults, and what makes a recipe complete."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.errors import ConfigError
from pylon_zoo.training.recipe import OPTIMIZERS, Recipe
from pylon_zoo.training.recipe_files import load_recipe
from pylon_zoo.training.schedule import Plateau

TRANSFER = "vindr_cxr_pylon_resnet50_256_transfer"


def test_the_defaults_are_the_papers():
    recipe = Recipe()
    assert (recipe.optimizer.name, recipe.optimizer.lr, recipe.optimizer.weight_decay) == ("adam", 1e-4, 0.0)
    assert (recipe.loop.batch_size, recipe.data.size, recipe.schedule.max_epochs) == (64, 256, 40)
    assert recipe.make_schedule() == Plateau(factor=0.2, patience=2, max_cuts=3)
    assert (recipe.phases.encoder, recipe.phases.norm_stats) == (("trained",), "move")
    assert (recipe.transfer.head, recipe.transfer.decoder) == ("new", "keep")


def test_every_optimizer_exists():
    assert all(hasattr(torch.optim, name) for name in OPTIMIZERS.values())


def test_a_recipe_that_starts_from_a_checkpoint_is_complete_with_one():
    Recipe().check_complete()
    load_recipe(TRANSFER, ["transfer.checkpoint=runs/nih"]).check_complete()
    load_recipe(TRANSFER, ["transfer.required=false"]).check_complete()
    with pytest.raises(ConfigError, match=rf"{TRANSFER}\.toml: transfer\.checkpoint is empty.*--set transfer\.ch"):
        load_recipe(TRANSFER).check_complete()
