"""Recipes: those that ship, overrides, round trips, and what is refused."""

from __future__ import annotations

import tomllib

import pytest
import torch

from pylon_zoo.data.augmentations import AUGMENTATIONS
from pylon_zoo.data.registry import DATASETS
from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.models.build import method_options, split_name
from pylon_zoo.training.recipe import OPTIMIZERS, Recipe
from pylon_zoo.training.recipe_files import (
    list_recipes,
    load_recipe,
    parse_override,
    recipe_from_table,
    recipe_path,
)
from pylon_zoo.training.schedule import Plateau
from pylon_zoo.training.sections import Origin

PAPER = "nih_cxr14_pylon_resnet50_256"


def test_the_defaults_are_the_papers():
    recipe = Recipe()
    assert (recipe.optimizer.name, recipe.optimizer.lr, recipe.optimizer.weight_decay) == ("adam", 1e-4, 0.0)
    assert (recipe.loop.batch_size, recipe.data.size, recipe.schedule.max_epochs) == (64, 256, 40)
    assert recipe.make_schedule() == Plateau(factor=0.2, patience=2, max_cuts=3)


def test_the_papers_row_says_what_the_paper_says():
    recipe = load_recipe(PAPER)
    assert recipe.model.options["encoder_pretrained"] == "tv_in1k"
    assert (recipe.data.size, recipe.data.augmentation) == (256, "xray")
    assert (recipe.data.mean, recipe.data.std) == ((0.4984,), (0.2483,))
    assert (recipe.loop.batch_size, recipe.loop.precision) == (64, "fp16")
    assert (recipe.optimizer, recipe.make_schedule()) == (Recipe().optimizer, Plateau())


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_is_sound(name):
    recipe = load_recipe(name)
    assert recipe.description
    method, _ = split_name(recipe.model.architecture)
    assert set(recipe.model.options) <= set(method_options(method))
    assert recipe.data.name in DATASETS
    assert recipe.data.augmentation in AUGMENTATIONS
    assert {*recipe.data.options, *recipe.data.train, *recipe.data.val} <= set(DATASETS[recipe.data.name].options)


@pytest.mark.parametrize("name", list_recipes())
def test_the_resolved_recipe_reads_back_equal(name):
    recipe = load_recipe(name, ["loop.seed=7"])
    assert recipe_from_table(tomllib.loads(recipe.to_toml()), Origin("again")) == recipe


@pytest.mark.parametrize(
    ("pylon", "cam"), [(PAPER, PAPER.replace("pylon", "cam")), ("phantom_cxr_pylon", "phantom_cxr_cam")]
)
def test_the_baseline_differs_in_its_architecture_only(pylon, cam):
    ours, baseline = load_recipe(pylon), load_recipe(cam)
    assert baseline.model.architecture == ours.model.architecture.replace("pylon", "cam")
    for section in ("data", "optimizer", "schedule", "loop"):
        assert getattr(baseline, section) == getattr(ours, section)


def test_overrides_win_and_the_last_one_most():
    recipe = load_recipe(
        PAPER, ["optimizer.lr=1e-3", "optimizer.lr=2e-3", "model.options.attention=false", "data.size=64"]
    )
    assert (recipe.optimizer.lr, recipe.data.size) == (2e-3, 64)
    assert recipe.model.options == {"encoder_pretrained": "tv_in1k", "attention": False}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b=1", ("a.b", 1)),
        ("a=1e-4", ("a", 1e-4)),
        ("a=true", ("a", True)),
        ("a=[0.5, 0.2]", ("a", [0.5, 0.2])),
        ('a="x y"', ("a", "x y")),
        ("a=flip", ("a", "flip")),
        ("data.name=nih-cxr14:/data/x", ("data.name", "nih-cxr14:/data/x")),
        (
            "model.options.encoder_kwargs={drop_path_rate=0.1}",
            ("model.options.encoder_kwargs", {"drop_path_rate": 0.1}),
        ),
    ],
)
def test_override_values_are_toml_or_plain_words(text, expected):
    assert parse_override(text) == expected


@pytest.mark.parametrize("text", ["", "a", "=1", "a..b=1", ".a=1", "a=", "a=[1", "a b=1", 'a="x'])
def test_malformed_overrides_are_refused(text):
    with pytest.raises(ConfigError, match="--set"):
        parse_override(text)


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("optimizer.lrr=1", UnknownNameError, r"--set optimizer\.lrr .* Did you mean 'lr'"),
        ("optimiser.lr=1", UnknownNameError, r"--set optimiser\.lr .* Did you mean 'optimizer'"),
        ("loop.precision=fp61", ConfigError, r"--set loop\.precision .* Did you mean 'fp16'"),
        ("schedule.name=platau", ConfigError, r"Did you mean 'plateau'"),
        ("schedule.options.factor=1.0", ConfigError, r"--set schedule\.options\.factor = 1\.0 .* below 1"),
        ("schedule.options.facto=0.5", UnknownNameError, r"Did you mean 'factor'"),
        ("schedule.options.warmup=0.1", UnknownNameError, r"--set schedule\.options\.warmup is not a setting"),
        ("loop.batch_size.x=1", ConfigError, r"--set loop\.batch_size\.x must be a whole number"),
        ("model=1", ConfigError, r"--set model must be a table"),
        ("model.architecture=pilon_resnet50", UnknownNameError, r"--set model\.architecture: .*Did you mean 'pylon_"),
        ("model.architecture=1", ConfigError, r"--set model\.architecture must be a string"),
        ("model.options.atention=false", UnknownNameError, r"--set model\.options\.atention .*'attention'"),
        ("data.options.val_fractoin=0.1", UnknownNameError, r"--set data\.options\.val_fractoin .*'val_fraction'"),
        ("phases.encoder=[]", ConfigError, r"--set phases\.encoder must be a list of at least one string"),
        ('phases.encoder=["frozn"]', ConfigError, r"--set phases\.encoder = 'frozn' .*Did you mean 'frozen'"),
        ("transfer.head=match", ConfigError, r"--set transfer\.head = 'match' .* 'match_labels'"),
        ("base=phantom_pylon", ConfigError, r"--set base is not possible here"),
        ("origin=1", UnknownNameError, "origin is not a setting"),
    ],
)
def test_wrong_overrides_name_themselves(override, error, message):
    with pytest.raises(error, match=message):
        load_recipe(PAPER, [override])


def test_a_file_is_named_in_its_errors(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[loop]\nbatch_size = 'many'\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: loop\.batch_size must be a whole number; it is 'many'"):
        load_recipe(path)
    path.write_text("[loop\n")
    with pytest.raises(ConfigError, match=r"mine\.toml is not a TOML file.*line 1"):
        load_recipe(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"mine\.toml is not a TOML file"):
        load_recipe(path)
    path.write_text("")
    assert load_recipe(path) == Recipe()


def test_recipes_are_found_by_name_or_path(tmp_path):
    assert recipe_path(PAPER.replace("_", "-")) == recipe_path(PAPER)
    with pytest.raises(UnknownNameError, match=r"'phantom_cxr_pilon'.*Did you mean 'phantom_cxr_pylon'"):
        recipe_path("phantom_cxr_pilon")
    with pytest.raises(UnknownNameError, match=r"no recipe file .*absent\.toml"):
        recipe_path(tmp_path / "absent.toml")
    with pytest.raises(UnknownNameError):
        recipe_path(f"../recipes/{PAPER}")


def test_another_dataset_leaves_the_first_ones_options_behind():
    recipe = load_recipe("phantom_cxr_pylon")
    settings = ["data.mean=[0.4]", "data.train.val_fraction=0.2"]
    moved = load_recipe("phantom_cxr_pylon", settings, data="nih-cxr14:/data")
    assert moved.data.name == "nih-cxr14:/data"
    assert (moved.data.options, moved.data.train, moved.data.val) == ({}, {"val_fraction": 0.2}, {})
    assert (moved.data.mean, moved.data.std) == ((0.4,), None)
    assert load_recipe("phantom_cxr_pylon", ["data.name=nih-cxr14:/data", *settings]) == moved
    assert (moved.data.size, moved.data.augmentation) == (recipe.data.size, recipe.data.augmentation)
    assert load_recipe("phantom_cxr_pylon", data="phantom-cxr").data.options == recipe.data.options
    assert load_recipe(PAPER, data="nih-cxr14:/data").data.mean == load_recipe(PAPER).data.mean


def test_every_optimizer_exists():
    assert all(hasattr(torch.optim, name) for name in OPTIMIZERS.values())
