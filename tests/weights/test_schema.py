"""The shipped JSON Schema and our own reading of a manifest agree on what is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from pylon_zoo.data.download.plan import find_release
from pylon_zoo.errors import WeightsError
from pylon_zoo.training.recipe_files import load_recipe
from pylon_zoo.weights import manifest
from pylon_zoo.weights.entry import CHECKS, Entry, parse_entry
from pylon_zoo.weights.planned import planned_error

SCHEMA = json.loads((manifest.ROOM / "weights_manifest.schema.json").read_text(encoding="utf-8"))
RECORD = {"bytes": 10, "sha256": "0" * 64}
FILES = {"config.json": RECORD, "model.safetensors": RECORD}
HUB = {"source": "hub", "repo": "org/name", "revision": "a" * 40, "files": FILES}
BUNDLED = {"source": "bundled", "path": "bundled/x", "files": FILES}

# Changes to an entry that is right; None takes the field away.
CHANGES = [
    {},
    HUB,
    BUNDLED,
    HUB | {"files": {**FILES, "golden.safetensors": RECORD}},
    HUB | {"files": {**FILES, "pytorch_model.bin": RECORD}},
    HUB | {"files": {"config.json": RECORD}},
    HUB | {"files": FILES | {"config.json": {**RECORD, "md5": "0"}}},
    HUB | {"files": FILES | {"config.json": {"bytes": 10}}},
    *({**HUB, name: None} for name in ("repo", "revision", "files")),
    *({**BUNDLED, name: None} for name in ("path", "files")),
    *({name: None} for name in ("source", "num_classes", "label_names", "in_chans", "input_size", "mean", "std")),
    *({"source": source} for source in ("hub", "bundled", "web", 1, ["hub"])),
    *({"num_classes": number} for number in (0, -1, "2", True, 2.5, [2])),
    *({"in_chans": number} for number in (0, True, None)),
    *({"label_names": names} for names in ("mass", ["mass", ""], ["mass", 3], {"0": "mass"})),
    *({"input_size": size} for size in ([1, 64], [1, 64, 0], [1, 64, 64, 64], "1x64x64", [1, 64.5, 64])),
    *({"mean": values} for values in (["0.5"], 0.5, [True], [None])),
    *({"std": values} for values in (["0.5"], [[0.5]])),
    *({"interpolation": text} for text in ("", 3, "nearest")),
    *({"input_range": values} for values in ([0, 255], [0.0, 1.0], [0], [0, 1, 2], "01")),
    *({"aliases": tags} for tags in ([], ["a", "b"], [""], "a", [1])),
    *({"path": path} for path in ("a/b", "../a", "a/../b", "/a", "", "a/..", "a..b", "..")),
    *({"path": path} for path in ("a:b", "C:/a", "..\\a", "a\\b")),  # they lead elsewhere on Windows
    *(
        {"repo": repo}
        for repo in ("org", "org/name", "org/a.b-c_d", "org/..", "a/b/c", "org/na me", "-a/b", "o/näme", 1)
    ),
    *({"revision": text} for text in ("main", "a" * 39, "a" * 41, "A" * 40, "a" * 40)),
    *(
        {key: text}
        for key in ("code_licence", "weights_licence", "training_data", "recipe")
        for text in ("x", "", 1, [])
    ),
    *({"split_hash": text} for text in ("not stated", "0" * 64, "0" * 63, "", "unknown")),
    *({"metrics": value} for value in ({}, {"auroc": 0.5}, [], "none")),
    *({"authors_file": value} for value in ("a,b.pkl", "", 3)),
    {"num_clases": 2},
]
NAMES = [
    "pylon_resnet50.tag",
    "cam_a.b.c",
    "pylon_resnet50",
    "resnet50.tag",
    "pylon_resnet50.",
    ".tag",
    "pylon_a.b c",
    "P_a.b",
]


def agree(name: str, values: object) -> bool:
    """Whether both find it right; fails where they differ."""
    by_schema = Draft202012Validator(SCHEMA).is_valid({"format": 1, "weights": {name: values}})
    try:
        ours = isinstance(parse_entry(name, values, "here"), Entry)
    except WeightsError:
        ours = False
    assert ours == by_schema
    return ours


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_they_agree_on_a_field(change: dict[str, object], entry_values: dict[str, object]) -> None:
    values = {key: value for key, value in {**entry_values, **change}.items() if value is not None}
    agree("pylon_a.b", values)


def test_the_table_has_entries_that_are_right_and_that_are_not(entry_values: dict[str, object]) -> None:
    found = [
        agree("pylon_a.b", {key: value for key, value in {**entry_values, **change}.items() if value is not None})
        for change in CHANGES
    ]
    assert found.count(True) > 20
    assert found.count(False) > 60
    assert {key for change in CHANGES for key in change} >= CHECKS.keys() - {"name"}


@pytest.mark.parametrize("name", NAMES)
def test_they_agree_on_names(name: str, entry_values: dict[str, object]) -> None:
    agree(name, entry_values)


@pytest.mark.parametrize("values", [[], "planned", None])
def test_they_agree_on_what_is_no_entry(values: object) -> None:
    assert not agree("pylon_a.b", values)


@pytest.mark.parametrize("content", [{}, {"format": 2, "weights": {}}, {"format": 1}, {"format": 1, "weights": []}, []])
def test_they_agree_on_what_is_no_manifest(content: object, tmp_path: Path) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid(content)
    with pytest.raises(WeightsError):
        manifest.parse_manifest(json.dumps(content).encode(), "here")


def test_the_schema_is_one_and_the_shipped_manifest_follows_it() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    shipped = json.loads(manifest.manifest_path().read_text(encoding="utf-8"))
    Draft202012Validator(SCHEMA).validate(shipped)
    assert SCHEMA["$defs"]["entry"]["properties"].keys() | {"name"} == CHECKS.keys()


# -- what the shipped manifest says ------------------------------------------------------------------------------------

PAPER = {
    "pylon_resnet50": {
        "nih_cxr14",
        "nih_cxr14_512",
        "nih_cxr14_1layer",
        "nih_cxr14_1layer_512",
        "vindr_cxr",
        "vindr_cxr_transfer",
        "vindr_cxr_two_phase",
        "voc2012",
        "voc2012_two_phase",
    },
    "cam_resnet50": {"nih_cxr14", "nih_cxr14_512", "vindr_cxr", "vindr_cxr_transfer", "voc2012"},
    "li2018_resnet50": {"nih_cxr14", "nih_cxr14_512", "vindr_cxr", "voc2012"},
    "fpn_resnet50": {"nih_cxr14", "nih_cxr14_512", "vindr_cxr", "voc2012"},
    "unet_resnet50": {"nih_cxr14"},
    "pan_resnet50": {"nih_cxr14"},
    "deeplabv3plus_resnet50": {"nih_cxr14"},
}


def test_every_model_of_the_papers_tables_is_in_it() -> None:
    for architecture, tags in PAPER.items():
        assert {entry.tag for entry in manifest.tags_of(architecture).values()} == tags
    assert manifest.find("pylon_resnet50", "nih-cxr14-256").name == "pylon_resnet50.nih_cxr14"


@pytest.mark.parametrize(
    "name", [name for name, entry in manifest.load_manifest().items() if entry.source == "planned"]
)
def test_a_planned_entry_promises_nothing(name: str) -> None:
    entry = manifest.load_manifest()[name]
    assert not entry.files
    assert not entry.metrics
    recipe = load_recipe(entry.recipe)
    assert (recipe.model.architecture, recipe.data.size) == (entry.architecture, entry.input_size[-1])
    assert recipe.data.name == ("pascal_voc" if entry.tag.startswith("voc") else "_".join(entry.tag.split("_")[:2]))
    assert recipe.phases.encoder == (("frozen", "trained") if "two_phase" in entry.tag else ("trained",))
    assert recipe.model.options.get("up_layers", 2) == (1 if "1layer" in entry.tag else 2)
    message = str(planned_error(entry))
    data = recipe.data.name.replace("pascal_voc", "voc").replace("_", "-")
    assert f"`pylon-zoo train {entry.recipe} --data {data}:DIR --out RUN` makes them" in message
    assert find_release(data)
    assert ("import-official" in message) == (entry.authors_file is not None)
