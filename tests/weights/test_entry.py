from __future__ import annotations

from pathlib import Path

import pytest

from pylon_zoo.errors import WeightsError
from pylon_zoo.weights.entry import NOT_STATED, parse_entry
from pylon_zoo.weights.integrity import FileRecord

PATH = Path("manifest.json")
RECORD = {"bytes": 10, "sha256": "0" * 64}
FILES = {"config.json": RECORD, "model.safetensors": {"bytes": 20, "sha256": "f" * 64}}


def test_fields_come_out_as_python_wants_them(entry_values: dict[str, object]) -> None:
    entry = parse_entry("pylon_test_resnet.my-tag", entry_values | {"aliases": ["other"]}, PATH)
    assert (entry.architecture, entry.tag) == ("pylon_test_resnet", "my-tag")
    assert (entry.label_names, entry.input_size, entry.aliases) == (("mass", "nodule"), (1, 64, 64), ("other",))
    assert (entry.bytes, entry.sha256, entry.available) == (0, "", False)
    assert entry.training_data == NOT_STATED


def test_bundled_weights_are_available_and_have_a_hash(entry_values: dict[str, object]) -> None:
    entry = parse_entry("pylon_a.b", entry_values | {"source": "bundled", "path": "bundled/x", "files": FILES}, PATH)
    assert entry.available
    assert (entry.bytes, entry.sha256) == (20, "f" * 64)
    assert entry.files["config.json"] == FileRecord(10, "0" * 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_clases": 2}, "unknown field 'num_clases'.*num_classes"),
        ({"source": "bundled"}, "lacks path, files"),
        ({"source": "hub", "repo": "a/b", "files": FILES}, "lacks revision"),
        ({"source": "web"}, "source is 'web', but must be one of bundled, hub, planned"),
        ({"source": ["hub"]}, "source is"),
        ({"source": "bundled", "path": "../up", "files": FILES}, "path is '../up', but must be a path inside"),
        ({"source": "bundled", "path": "/abs", "files": FILES}, "path is '/abs'"),
        ({"source": "bundled", "path": "x", "files": {"model.safetensors": RECORD}}, "files is"),
        ({"files": {"config.json": RECORD, "model.safetensors": {**RECORD, "sha256": "0" * 63}}}, "64 hex"),
        ({"repo": "no-slash"}, "repo is 'no-slash', but must be 'org/name'"),
        ({"repo": "a/.."}, "repo is"),
        ({"revision": "main"}, "revision is 'main', but must be 40"),
        ({"num_classes": 0}, "num_classes is 0"),
        ({"num_classes": True}, "num_classes is True"),
        ({"num_classes": 3}, "2 values of label_names, but num_classes is 3"),
        ({"mean": [0.5, 0.5, 0.5]}, "3 values of mean, but in_chans is 1"),
        ({"mean": ["0.5"]}, "mean is"),
        ({"input_size": [64, 64]}, "input_size is"),
        ({"metrics": [1]}, "metrics is"),
    ],
)
def test_a_field_that_cannot_be_right_is_named_with_file_and_entry(
    change: dict[str, object], message: str, entry_values: dict[str, object]
) -> None:
    with pytest.raises(WeightsError, match=message) as error:
        parse_entry("pylon_a.b", entry_values | change, PATH)
    assert "manifest.json: entry 'pylon_a.b'" in str(error.value)


@pytest.mark.parametrize("name", ["pylon_resnet50", "resnet50.tag", "pylon_resnet50.", ".tag", "pylon_resnet50.a b"])
def test_a_name_needs_method_architecture_and_tag(name: str, entry_values: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match="name is"):
        parse_entry(name, entry_values, PATH)


def test_every_needed_field_is_asked_for(entry_values: dict[str, object]) -> None:
    for missing in entry_values:
        values = {key: value for key, value in entry_values.items() if key != missing}
        with pytest.raises(WeightsError, match=f"lacks {missing}"):
            parse_entry("pylon_a.b", values, PATH)


def test_an_entry_that_is_no_object(entry_values: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match="no JSON object"):
        parse_entry("pylon_a.b", "planned", PATH)
