"""Names that are refused before anything slow is imported: by the library's own words."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from pylon_zoo.attribution import create_attribution
from pylon_zoo.cli.arguments import add_model
from pylon_zoo.cli.names import CHECKS, check_model, check_names, metric_names
from pylon_zoo.data import parse_data_spec
from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.factory import create_model
from pylon_zoo.metrics import LOCALIZATION
from pylon_zoo.training.trackers import check_trackers

# Option → a name that there is, one that there is not, and what the library does with it.
NAMES = {
    "data": ("phantom", "phanton", parse_data_spec),
    "format": ("onnx", "onx", None),
    "method": ("grad-cam", "grad-camm", lambda name: create_attribution(name, None)),
    "methods": ("grad-cam", "grad-camm", lambda name: create_attribution(name, None)),
    "metrics": ("energy,pxap", "enrgy", None),
    "trackers": ("wandb", "wandbb", lambda name: check_trackers([name])),
}


def test_every_option_is_tried():
    assert set(NAMES) == set(CHECKS)


@pytest.mark.parametrize("option", NAMES)
@pytest.mark.parametrize("several", [False, True])
def test_a_name_in_no_table_is_refused(option: str, several: bool):
    right, wrong, library = NAMES[option]
    check_names(Namespace(other="x", **{option: None}))
    check_names(Namespace(**{option: [right] if several else right}))
    with pytest.raises(UnknownNameError, match=f"Did you mean '{right[:4]}") as refused:
        check_names(Namespace(**{option: [right, wrong] if several else wrong}))
    if library is not None:
        with pytest.raises(UnknownNameError) as later:
            library(wrong)
        assert str(refused.value) == str(later.value)


def test_metrics_are_listed():
    assert metric_names("all") == list(LOCALIZATION)
    assert metric_names(" energy ,, max_box") == ["energy", "max_box"]


def model(*words: str) -> Namespace:
    parser = ArgumentParser()
    add_model(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    "name", ["pilon_resnet18.phantom_cxr", "pylon_resnet1B.phantom_cxr", "pylon_resnet18.phantom", "pylon_resnet50.tag"]
)
def test_a_model_is_refused_as_when_it_is_made(name: str):
    with pytest.raises(UnknownNameError) as refused:
        check_names(model("--model", name))
    with pytest.raises(UnknownNameError) as later:
        create_model(name)
    assert str(refused.value) == str(later.value)


def test_what_is_no_tag_is_looked_at_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    for where in ("hf-hub:org/name", "local-dir:folder", "folder", "no/such"):
        check_model(model("--model", "pylon_resnet18", "--pretrained", where))
    check_model(model("--model", "pylon_resnet18.phantom-cxr"))
    check_model(model("--checkpoint", "no/such"))


def test_a_model_without_weights_is_refused():
    with pytest.raises(ConfigError, match="names no weights"):
        check_names(model("--model", "pylon_resnet50"))
    with pytest.raises(ConfigError, match="a --checkpoint has its own"):
        check_names(model("--checkpoint", "DIR", "--pretrained", "tag"))
