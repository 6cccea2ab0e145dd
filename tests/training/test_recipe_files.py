"""Recipes: those that ship, overrides, round trips, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.training.overrides import parse_override
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.recipe_files import list_recipes, load_recipe, recipe_path

PAPER = "nih_cxr14_pylon_resnet50_256"


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
    expected = {"alignment": "paper", "encoder_pretrained": "tv_in1k", "attention": False}
    assert recipe.model.options == expected


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
    path.write_text("[loop]\nbatch_size = 'many'\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.toml: loop\.batch_size must be a whole number; it is 'many'"):
        load_recipe(path)
    path.write_text("[loop\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.toml is not a TOML file.*line 1"):
        load_recipe(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"mine\.toml is not a TOML file"):
        load_recipe(path)
    path.write_text("", encoding="utf-8")
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


def write(folder, **files: str):
    """Recipe files by name; `base` is often the only thing in them."""
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder


def test_a_recipe_starts_from_its_base_and_wins(tmp_path):
    write(
        tmp_path,
        ground='description = "ground"\n[optimizer]\nlr = 0.5\n[model.options.encoder_kwargs]\na = 1\nb = 2',
        middle='base = "ground.toml"\n[loop]\nseed = 3\n[model.options.encoder_kwargs]\nb = 3',
        top='base = "./middle.toml"\n[loop]\nseed = 4',
    )
    recipe = load_recipe(tmp_path / "top.toml", ["loop.batch_size=2"])
    assert (recipe.optimizer.lr, recipe.loop.seed, recipe.loop.batch_size) == (0.5, 4, 2)
    assert recipe.model.options == {"encoder_kwargs": {"a": 1, "b": 3}}
    assert recipe.description == ""  # it describes another recipe
    assert recipe.base is None


def test_a_base_is_a_shipped_name_or_a_path_from_the_file(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    write(tmp_path, ground="[loop]\nseed = 9")
    write(tmp_path / "inner", near='base = "../ground.toml"', shipped=f'base = "{PAPER.replace("_", "-")}"')
    monkeypatch.chdir(tmp_path / "inner")
    assert load_recipe("near.toml").loop.seed == 9
    monkeypatch.chdir(tmp_path)
    assert load_recipe("inner/near.toml").loop.seed == 9
    shipped = load_recipe("inner/shipped.toml")
    assert shipped == replace(load_recipe(PAPER), description="")


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({"top": "base = 3"}, ConfigError, r"top\.toml: base must be a string; it is 3"),
        ({"top": 'base = "phantom_pilon"'}, UnknownNameError, r"top\.toml: base: .*Did you mean 'phantom_pylon'"),
        ({"top": 'base = "absent.toml"'}, UnknownNameError, r"top\.toml: base: There is no recipe file .*absent\.toml"),
        ({"top": 'base = "top.toml"'}, ConfigError, r"top\.toml: base goes .* top\.toml → top\.toml"),
        (
            {"top": 'base = "b.toml"', "b": 'base = "c.toml"', "c": 'base = "b.toml"'},
            ConfigError,
            r"c\.toml: base goes round in a circle, top\.toml → b\.toml → c\.toml → b\.toml: remove",
        ),
        ({"top": 'base = "b.toml"', "b": "[loop]\nsede = 1"}, UnknownNameError, r"/b\.toml: loop\.sede .*'seed'"),
        ({"top": 'base = "b.toml"', "b": "[loop"}, ConfigError, r"b\.toml is not a TOML file"),
        ({"top": 'base = "b.toml"\nloop = 1', "b": ""}, ConfigError, r"top\.toml: loop must be a table"),
        ({"top": 'base = "b.toml"\nmodel = 1', "b": ""}, ConfigError, r"top\.toml: model must be a table"),
        ({"top": 'base = "b.toml"\n[data]\nname = 1', "b": ""}, ConfigError, r"top\.toml: data\.name must be a str"),
    ],
)
def test_what_is_wrong_with_a_base_is_said_of_the_right_file(tmp_path, files, error, message):
    write(tmp_path, **files)
    with pytest.raises(error, match=message):
        load_recipe(tmp_path / "top.toml")


ABLATION = """
[model]
head_bias = -1.0
[model.options]
up_layers = 1
pooling = "lse"
encoder_pretrained = "tv_in1k"
encoder_kwargs = {drop_path_rate = 0.1}
[schedule.options]
factor = 0.5
"""


@pytest.mark.parametrize("layer", ["file", "--set"])
def test_another_method_inherits_the_encoders_options_only(tmp_path, layer):
    write(
        tmp_path,
        ground=ABLATION,
        other='base = "ground.toml"\n[model]\narchitecture = "fpn_resnet18"\n[model.options]\nnorm = "group"',
        same='base = "ground.toml"\n[model]\narchitecture = "pylon_resnet18"',
    )
    if layer == "file":
        other, same = (load_recipe(tmp_path / f"{name}.toml").model for name in ("other", "same"))
    else:
        ground, settings = tmp_path / "ground.toml", ["model.options.norm=group"]
        other = load_recipe(ground, ["model.architecture=fpn_resnet18", *settings]).model
        same = load_recipe(ground, ["model.architecture=pylon_resnet18"]).model
    encoder = {"encoder_pretrained": "tv_in1k", "encoder_kwargs": {"drop_path_rate": 0.1}}
    assert other.options == {**encoder, "norm": "group"}
    assert same.options == {**encoder, "up_layers": 1, "pooling": "lse"}
    assert other.head_bias == same.head_bias == -1.0


@pytest.mark.parametrize("layer", ["file", "--set"])
def test_another_schedule_leaves_the_first_ones_options_behind(tmp_path, layer):
    write(
        tmp_path,
        ground=ABLATION,
        other='base = "ground.toml"\n[schedule]\nname = "cosine"\nmax_epochs = 3',
        same='base = "ground.toml"\n[schedule]\nname = "plateau"',
    )
    settings = ["schedule.name=cosine", "schedule.max_epochs=3"]
    other = load_recipe(tmp_path / ("other.toml" if layer == "file" else "ground.toml"), settings * (layer == "--set"))
    assert (other.schedule.name, other.schedule.max_epochs, other.schedule.options) == ("cosine", 3, {})
    assert load_recipe(tmp_path / "same.toml").schedule.options == {"factor": 0.5}


def test_patterns_select_recipes():
    assert list_recipes("phantom-cxr-*") == ["phantom_cxr_cam", "phantom_cxr_pointing", "phantom_cxr_pylon"]
    assert list_recipes("nothing*") == []
