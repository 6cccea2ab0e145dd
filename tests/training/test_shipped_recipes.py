"""The recipes that ship: each loads, builds, says what the paper says, and says nothing twice."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import reduce
from importlib import import_module
from operator import getitem
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from quick import slow_but

from pylon_zoo.data.augmentations import AUGMENTATIONS
from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.registry import DATASETS
from pylon_zoo.data.voc import BACKGROUND, OBJECTS
from pylon_zoo.errors import ConfigError, PylonZooError
from pylon_zoo.models.methods import split_name
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.recipe_files import (
    RECIPE_FOLDER,
    inherit,
    list_recipes,
    load_recipe,
    read_table,
    recipe_from_table,
    recipe_path,
)
from pylon_zoo.training.schedule import Cosine, Plateau
from pylon_zoo.training.sections import Origin, dump
from pylon_zoo.training.train import model_for, open_split

NAMES = list_recipes()
# Every tenth at once, the others with the slow tests.
SAMPLED = slow_but(NAMES[::10], NAMES)
TWO_LAYERS = "model.options.up_layers=2"
# What the official implementation's models count with 1 channel and 14 classes; its ablations have two-layer UPs.
PARAMETERS = [
    ("pylon", [], 25_478_741),
    ("cam", [], 23_530_446),
    ("li2018", [], 32_947_662),
    ("pan", [], 26_259_285),
    ("unet", [], 32_654_414),
    ("deeplabv3plus", [], 26_674_654),
    ("fpn", [], 26_111_438),
    ("pylon_one_layer", [], 24_097_109),
    ("pylon_up_3x3", [], 25_932_117),
    ("pylon_no_attention", [TWO_LAYERS], 25_378_254),
    ("pylon_up_modules_0", [TWO_LAYERS], 23_866_581),
    ("pylon_up_modules_0", [], 23_866_581),
    ("pylon_up_modules_1", [TWO_LAYERS], 25_049_685),
    ("pylon_up_modules_2", [TWO_LAYERS], 25_379_285),
    ("pylon_head_3x3", [TWO_LAYERS], 25_493_077),
    ("pan_no_gap", [], 25_946_453),
    ("fpn_group_norm", [], 26_111_438),
    ("fpn_one_group", [], 26_111_438),
]
# Datasets that name their own classes → how many those of the recipes' data have; families of recipes on them.
OWN_CLASSES = {"coco": 6, "folders": 5, "voc_xml": 3}
REAL = {"deeppcb": "coco", "magnetic_tile": "folders", "bccd": "voc_xml"}
PAPER = ("nih_cxr14", "vindr_cxr", "pascal_voc")
# For every number in a shipped recipe, values that cannot be.
IMPOSSIBLE = {
    "consistency.ramp": ["-0.1", "1.1"],
    "consistency.views": ["-0.5", "nan"],
    "consistency.swap": ["-0.5", "nan"],
    "data.mean": ["[-0.1]", "[1.1]", "[nan]"],
    "data.options.seed": ["-1"],
    "data.size": ["0", "31", "-128"],
    "data.std": ["[0.0]", "[-1]"],
    "data.train.count": ["0"],
    "data.val.count": ["0", "-1"],
    "loop.batch_size": ["0", "-16", "1.5"],
    "loop.clip_grad_norm": ["0", "-1.0"],
    "loop.seed": ["-1"],
    "loss.end": ["0", "-0.1"],
    "loss.start": ["0", "-0.1"],
    "loss.until": ["0", "1.1"],
    "model.head_bias": ["nan", "-inf"],
    "model.options.coarsest_stride": ["0", "-1", "1.5"],
    "model.options.decoder_channels": ["0", "-1", "1.5", "[64]"],
    "model.options.encoder_kwargs.channels": ["[8, 8]", "[-1, 8, 8, 8]"],
    "model.options.encoder_kwargs.stem_width": ["-8"],
    "model.options.head_kernel": ["0", "2", "5"],
    "model.options.head_mlp_layers": ["-1", "4"],
    "model.options.norm_groups": ["0", "7"],
    "model.options.output_stride": ["0", "-4", "1.5"],
    "model.options.pyramid_channels": ["0"],
    "model.options.up_kernel": ["2"],
    "model.options.up_layers": ["0", "3"],
    "model.options.up_modules": ["-1", "4"],
    "optimizer.betas": ["[-0.1, 0.9]", "[0.9, 1.0]"],
    "optimizer.encoder_lr": ["0", "-1", "nan"],
    "optimizer.lr": ["0", "-1", "inf", "nan"],
    "optimizer.weight_decay": ["-0.1"],
    "schedule.evaluate_every": ["0"],
    "schedule.max_epochs": ["0", "-1", "2.5"],
    "schedule.options.factor": ["0", "1.0", "1.5"],
    "schedule.options.max_cuts": ["0"],
    "schedule.options.patience": ["0"],
    "schedule.options.warmup": ["-0.1", "1.0"],
}


def dataset_class(name: str) -> type[LabelledDataset]:
    """The class behind a dataset's name."""
    module, _, attribute = DATASETS[name].opener.partition(":")
    return getattr(import_module(module), attribute)


def classes_of(recipe: Recipe) -> tuple[str, ...]:
    """The outputs of a recipe's model, as its dataset has them once it is open."""
    if recipe.data.name == "pascal_voc":
        return (BACKGROUND, *OBJECTS) if recipe.data.options.get("background") else OBJECTS
    if recipe.data.name in OWN_CLASSES:
        return tuple(f"class_{place}" for place in range(OWN_CLASSES[recipe.data.name]))
    return dataset_class(recipe.data.name).classes


def channels_of(recipe: Recipe) -> int:
    """The channels of its dataset's images, unless an option says otherwise."""
    return 3 if recipe.data.name in OWN_CLASSES else dataset_class(recipe.data.name).channels


def on_nih(name: str) -> str:
    """The recipe on NIH of a method and variant such as `"pylon_no_attention"`."""
    method, *variant = name.split("_", 1)
    return "_".join(["nih_cxr14", method, "resnet50_256", *variant])


def without_weights(recipe: Recipe) -> Recipe:
    """The recipe with an encoder that nothing is downloaded for."""
    table = tomllib.loads(recipe.to_toml())
    table["model"]["options"].pop("encoder_pretrained", None)
    return recipe_from_table(table, recipe.origin)


def build_on_meta(recipe: Recipe) -> torch.nn.Module:
    """The recipe's model as `train` builds it, without memory for its weights."""
    classes, channels = classes_of(recipe), channels_of(recipe)
    dataset = SimpleNamespace(name=recipe.data.name, classes=classes, num_classes=len(classes), channels=channels)
    with torch.device("meta"):
        return model_for(without_weights(recipe), dataset)


def leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything in nested tables that is no table."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def own_table(name: str) -> dict[str, Any]:
    """What a recipe's own file says."""
    return tomllib.loads(recipe_path(name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SAMPLED)
def test_every_recipe_builds_its_model(name):
    recipe = load_recipe(name)
    model = build_on_meta(recipe)
    method, backbone = split_name(recipe.model.architecture)
    assert (model.architecture, model.num_classes) == (f"{method}_{backbone}", len(classes_of(recipe)))
    assert recipe.description
    assert recipe.data.augmentation in AUGMENTATIONS


@pytest.mark.slow
@pytest.mark.parametrize(("name", "overrides", "count"), PARAMETERS)
def test_the_papers_models_have_its_numbers_of_parameters(name, overrides, count):
    model = build_on_meta(load_recipe(on_nih(name), overrides))
    assert sum(parameter.numel() for parameter in model.parameters()) == count


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(PAPER)])
def test_the_papers_rows_are_trained_as_the_paper_says(name):
    recipe = load_recipe(name)
    assert (recipe.optimizer.name, recipe.optimizer.lr, recipe.optimizer.weight_decay) == ("adam", 1e-4, 0.0)
    assert recipe.make_schedule() == Plateau(factor=0.2, patience=2, max_cuts=3)
    assert (recipe.loop.batch_size, recipe.loop.precision) == (64, "fp16")
    vindr = recipe.data.name == "vindr_cxr"
    assert (recipe.schedule.max_epochs, recipe.schedule.evaluate_every) == ((100, 3) if vindr else (40, 1))
    assert recipe.data.size == (512 if "_512" in name else 256)
    assert recipe.data.augmentation == ("voc" if recipe.data.name == "pascal_voc" else "xray")
    assert recipe.model.options["encoder_pretrained"] == (False if recipe.transfer.required else "tv_in1k")
    assert recipe.transfer.required == (vindr and name.endswith(("_transfer", "_two_phase")))
    assert recipe.phases.encoder == (("frozen", "trained") if "two_phase" in name else ("trained",))
    assert (recipe.phases.norm_stats, recipe.transfer.head, recipe.transfer.decoder) == ("move", "new", "keep")
    grey = ((0.4984,), (0.2483,))
    colour = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert (recipe.data.mean, recipe.data.std) == (colour if recipe.data.name == "pascal_voc" else grey)


def test_the_papers_outputs():
    recipes = [load_recipe(name) for name in NAMES]
    outputs = {(recipe.data.name, len(classes_of(recipe))) for recipe in recipes}
    assert outputs >= {("nih_cxr14", 14), ("vindr_cxr", 15), ("pascal_voc", 21), ("phantom", 8)}
    assert len(outputs) == len({name for name, _ in outputs})
    assert all(recipe.data.options["no_finding"] for recipe in recipes if recipe.data.name == "vindr_cxr")


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("phantom") and "pointing" not in name])
def test_phantom_recipes_differ_in_what_their_names_say(name):
    recipe = load_recipe(name)
    scratch, small = name.startswith(("phantom_cxr", "phantom_encoder", "phantom_scratch")), "_small_" in name
    assert isinstance(recipe.make_schedule(), Cosine)
    assert recipe.transfer.required == (not scratch)
    if not scratch:
        base = load_recipe(
            "phantom_small_pylon" if small else "phantom_pylon", ["data.size=256"] * name.endswith("256")
        )
        for section in ("data", "optimizer", "schedule", "loop"):
            assert getattr(recipe, section) == getattr(base, section)
        assert recipe.transfer.decoder == ("keep" if name.endswith(("_transfer", "_two_phase")) else "new")


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("phantom_scratch")])
def test_recipes_from_scratch_differ_in_their_backbone_alone(name):
    recipe, base = load_recipe(name), load_recipe("phantom_scratch_resnet10t")
    for section in ("data", "optimizer", "schedule", "loop", "transfer"):
        assert getattr(recipe, section) == getattr(base, section)
    assert recipe.model.options.get("decoder_channels") == base.model.options["decoder_channels"]


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("nih") and "512" not in name])
def test_every_row_on_nih_has_its_phantom_version(name):
    ours = load_recipe(name)
    phantom = load_recipe(name.replace("nih_cxr14", "phantom").replace("_resnet50_256", ""))
    assert split_name(phantom.model.architecture)[0] == split_name(ours.model.architecture)[0]
    widths = {"decoder_channels", "pyramid_channels", "norm_groups", "encoder_pretrained", "encoder_kwargs"}
    assert {k: v for k, v in phantom.model.options.items() if k not in widths} == {
        k: v for k, v in ours.model.options.items() if k not in widths
    }


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(tuple(REAL)) and "pointing" not in name])
def test_recipes_on_real_images_differ_in_their_model_alone(name):
    family = next(prefix for prefix in REAL if name.startswith(prefix))
    recipe, base = load_recipe(name), load_recipe(f"{family}_pylon")
    for section in ("data", "optimizer", "schedule", "loop", "transfer", "phases"):
        assert getattr(recipe, section) == getattr(base, section)
    assert recipe.data.name == REAL[family]
    assert split_name(recipe.model.architecture)[1] == "tf_efficientnet_lite0"
    assert recipe.model.options["encoder_pretrained"] is True
    assert recipe.model.head_bias == base.model.head_bias
    assert recipe.schedule.evaluate_every == recipe.schedule.max_epochs, "what the table judges chose no epoch"


CHOSEN = {"model": "architecture", "data": "name", "schedule": "name"}


@pytest.mark.parametrize("name", [name for name in NAMES if "base" in own_table(name)])
def test_no_recipe_repeats_what_its_base_says(name):
    own = own_table(name)
    base = read_table(recipe_path(own.pop("base")))
    choices = {key: {CHOSEN[key]: own[key][CHOSEN[key]]} for key in CHOSEN if CHOSEN[key] in own.get(key, {})}
    for section, choice in choices.items():
        assert base[section][CHOSEN[section]] != choice[CHOSEN[section]]
    # What the base gives once those choices are made; a choice itself is no repetition.
    given = set(map(repr, leaves(inherit(base, choices)))) - set(map(repr, leaves(choices)))
    assert not given & set(map(repr, leaves(own)))


def paths(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where each key of nested tables stands, tables' own included."""
    for key, value in table.items():
        yield (*above, key)
        if isinstance(value, Mapping):
            yield from paths(value, (*above, key))


def misspelt(key: str) -> list[str]:
    """The key with one letter wrong; of a short one a letter is never lost, as nothing recognisable would be left."""
    half = len(key) // 2
    return [key[0] + key, key + "x", key[:half] + key[half + (len(key) > 3) :] + "z" * (len(key) <= 3)]


@pytest.mark.parametrize("name", SAMPLED)
def test_a_misspelt_key_of_any_recipe_is_refused_with_the_right_one(name, tmp_path):
    file = tmp_path / "wrong.toml"
    for *above, key in paths(own_table(name)):
        for wrong in misspelt(key):
            table = own_table(name)
            inner = reduce(getitem, above, table)
            inner[wrong] = inner.pop(key)
            file.write_text(dump(table), encoding="utf-8")
            with pytest.raises(PylonZooError) as caught:
                build_on_meta(load_recipe(file))
            message = str(caught.value)
            if "encoder_kwargs" in above:  # timm's own keywords
                assert f"'{wrong}'" in message
            else:
                assert f"wrong.toml: {'.'.join((*above, wrong))} is not a setting. Did you mean '{key}'" in message


def prepare(name: str, override: str) -> None:
    """What a run does before its first step, as far as no files are needed."""
    recipe = load_recipe(name, [override])
    build_on_meta(recipe)
    if not DATASETS[recipe.data.name].needs_dir:
        for split in ("train", "val"):
            open_split(recipe, split)


@pytest.mark.parametrize("name", SAMPLED)
def test_an_impossible_number_in_any_recipe_is_refused(name):
    numbers = [key for key, value in leaves(own_table(name)) if is_number(value)]
    assert set(numbers) <= set(IMPOSSIBLE)
    for key in numbers:
        for value in IMPOSSIBLE[key]:
            with pytest.raises(ConfigError, match=key.rpartition(".")[2]):
                prepare(name, f"{key}={value}")


def is_number(value: object) -> bool:
    """A number, or a list of them."""
    values = value if isinstance(value, list) else [value]
    return all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)


@pytest.mark.parametrize("name", NAMES)
def test_the_resolved_recipe_reads_back_equal(name):
    recipe = load_recipe(name, ["loop.seed=7"])
    table = tomllib.loads(recipe.to_toml())
    assert "base" not in table
    assert recipe_from_table(table, Origin("again")) == recipe


def test_every_file_in_the_folder_is_a_recipe():
    assert {path.stem for path in RECIPE_FOLDER.iterdir()} == set(NAMES)
