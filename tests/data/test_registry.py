from __future__ import annotations

import gc
import inspect
from importlib import import_module
from pathlib import Path

import pytest

from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.data.registry import DATASETS, drawing_options, open_dataset, parse_data_options, parse_data_spec
from pylon_zoo.errors import ConfigError, DataError, UnknownNameError


@pytest.mark.parametrize("name", DATASETS)
def test_the_table_says_what_the_classes_take(name):
    module, _, attribute = DATASETS[name].opener.partition(":")
    opener = getattr(import_module(module), attribute)
    parameters = inspect.signature(opener).parameters.values()
    assert issubclass(opener, LabelledDataset)
    assert {p.name for p in parameters if p.kind is p.KEYWORD_ONLY} == {*DATASETS[name].options, "transform"}
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == (["root", "split"] if DATASETS[name].needs_dir else ["split"])


def test_the_page_has_every_dataset_with_its_options():
    page = (Path(__file__).parents[2] / "docs/datasets.md").read_text(encoding="utf-8")
    table = page.partition("\n## ")[0]
    lines = {line.split("`")[1]: line for line in table.splitlines() if line.startswith("| `")}
    for name, entry in DATASETS.items():
        shown = [one.replace("_", "-") for one, other in DATASETS.items() if other is entry]
        (line,) = [lines[one] for one in shown if one in lines]
        assert line.rpartition(" | ")[2].split("`")[1::2] == list(entry.options), name


@pytest.mark.parametrize("name", ["phantom", "phantom_cxr", "phantom-cxr"])
def test_phantoms_by_any_name(name):
    data = open_dataset(name, "val", size=64, count=3, seed=5)
    assert isinstance(data, PhantomCxr)
    assert (len(data), data.split, data.seed) == (3, "val", 5)


def test_the_transform_arrives():
    data = open_dataset("phantom", "val", size=64, count=1, transform=lambda sample: sample.path)
    assert isinstance(data[0], str)


def test_the_garbage_collector_goes_on_afterwards():
    open_dataset("phantom", "val", size=64, count=1)
    assert gc.isenabled()
    with pytest.raises(UnknownNameError):
        open_dataset("csv:/", "all")
    with pytest.raises(DataError):
        open_dataset("csv:/", "test")
    assert gc.isenabled()


def test_specs():
    assert parse_data_spec("nih-cxr14:/a/b") == ("nih_cxr14", Path("/a/b"))
    assert parse_data_spec("nih_cxr14:C:/data") == ("nih_cxr14", Path("C:/data"))
    assert parse_data_spec("nih-cxr14:~/nih") == ("nih_cxr14", Path.home() / "nih")
    assert parse_data_spec("phantom") == ("phantom", None)


@pytest.mark.parametrize(
    ("spec", "split", "options", "error", "message"),
    [
        ("nih-cxr", "test", {}, UnknownNameError, "Unknown dataset 'nih-cxr'.* Did you mean 'nih-cxr14:DIR'"),
        ("fantom", "test", {}, UnknownNameError, "Did you mean 'phantom'"),
        ("nih-cxr14", "test", {}, ConfigError, "The dataset 'nih-cxr14' needs its folder: write 'nih-cxr14:DIR'"),
        ("nih-cxr14:", "test", {}, ConfigError, "needs its folder"),
        ("phantom:/data", "test", {}, ConfigError, "has no folder: write 'phantom' without ':/data'"),
        ("phantom", "tset", {}, UnknownNameError, "Unknown split 'tset'.* Did you mean 'test'"),
        ("phantom", "test", {"sise": 64}, ConfigError, "no option 'sise': it takes size, .* Did you mean 'size'"),
        ("phantom", "test", {"val_fraction": 0.1}, ConfigError, "no option 'val_fraction'"),
        ("phantom", "test", {"size": "large"}, ConfigError, r"option size='large' .* must be a whole number"),
        ("phantom", "test", {"size": True}, ConfigError, "option size=True .* must be a whole number"),
        ("phantom", "test", {"cache": 1}, ConfigError, "option cache=1 .* must be true or false"),
        ("nih-cxr14:/no/such", "test", {}, DataError, "The folder '/no/such' of dataset .* does not exist"),
    ],
)
def test_mistakes_name_the_way_out(spec, split, options, error, message):
    with pytest.raises(error, match=message) as caught:
        open_dataset(spec, split, **options)
    assert caught.value.exit_code == (1 if error is DataError else 2)


def test_options_as_text():
    texts = ["a=1", "b = true", "c=Mass, Nodule", 'd="1"', "e=[1, 2]", "f=", "a=x=y"]
    assert parse_data_options(texts) == {"a": "x=y", "b": True, "c": "Mass, Nodule", "d": "1", "e": [1, 2], "f": ""}
    assert open_dataset("phantom", "test", **parse_data_options(["size=32", "count=2"]))[0].image.shape == (1, 32, 32)


@pytest.mark.parametrize("text", ["size", "=1", "a b=1", ""])
def test_options_that_are_none(text):
    with pytest.raises(ConfigError, match="is not of the form key=value"):
        parse_data_options([text])


def test_only_drawn_datasets_are_drawn_at_a_models_size():
    assert drawing_options("phantom", 96) == drawing_options("phantom-cxr", 96) == {"size": 96}
    assert drawing_options("nih-cxr14:anywhere", 96) == {}
    assert open_dataset("phantom", "val", count=1, **drawing_options("phantom", 96))[0].image.shape == (1, 96, 96)
