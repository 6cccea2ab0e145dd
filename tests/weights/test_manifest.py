from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants
from loopback_hub import LoopbackHub

from pylon_zoo.errors import UnknownNameError, WeightsError
from pylon_zoo.factory import create_model, list_pretrained
from pylon_zoo.weights import manifest
from pylon_zoo.weights.integrity import record_of
from pylon_zoo.weights.manifest import register_weights

WriteManifest = Callable[[dict[str, object]], None]
Values = dict[str, object]


def test_the_shipped_manifest_can_be_read_and_its_files_are_what_it_says() -> None:
    for entry in manifest.load_manifest().values():
        if entry.source == "bundled":
            for name, record in entry.files.items():
                assert record_of((manifest.ROOM / entry.path / name).read_bytes()) == record


def test_a_source_tree_reads_the_top_level_file(source_tree: Path) -> None:
    assert manifest.manifest_path() == source_tree / manifest.MANIFEST_FILE


def test_an_installed_package_reads_its_own_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = tmp_path / "site-packages" / "pylon_zoo" / "weights"
    monkeypatch.setattr(manifest, "ROOM", room)
    assert manifest.manifest_path() == room / manifest.MANIFEST_FILE


def test_entries_keep_the_files_order(write_manifest: WriteManifest, entry_values: Values) -> None:
    write_manifest({"pylon_b.z": entry_values, "pylon_a.y": entry_values})
    assert list(manifest.load_manifest()) == ["pylon_b.z", "pylon_a.y"]


def test_the_file_is_read_once_and_callers_cannot_change_it(
    write_manifest: WriteManifest, entry_values: Values
) -> None:
    write_manifest({"pylon_a.b": entry_values})
    manifest.load_manifest().clear()
    manifest.manifest_path().write_text("not read again", encoding="utf-8")
    assert list(manifest.load_manifest()) == ["pylon_a.b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "has the format None, but this version reads 1"),
        (json.dumps({"format": 2, "weights": {}}), "has the format 2, but this version reads 1"),
        (json.dumps({"format": 1}), "'weights' must be an object"),
        (json.dumps({"format": 1, "weights": {"pylon_a.b": {}}}), "entry 'pylon_a.b' lacks source"),
    ],
)
def test_a_malformed_file_is_named(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(content, encoding="utf-8")
    with pytest.raises(WeightsError, match=message) as error:
        manifest.read_manifest(tmp_path / "m.json")
    assert str(tmp_path / "m.json") in str(error.value)


def test_two_entries_cannot_share_a_tag(write_manifest: WriteManifest, entry_values: Values) -> None:
    write_manifest({"pylon_a.nih_256": entry_values, "pylon_a.nih": {**entry_values, "aliases": ["nih-256"]}})
    with pytest.raises(WeightsError, match=r"entry 'pylon_a.nih' has the tag 'nih_256', which 'pylon_a.nih_256'"):
        manifest.load_manifest()


@pytest.fixture
def three(write_manifest: WriteManifest, entry_values: Values) -> None:
    write_manifest(
        {
            "pylon_a.first": entry_values,
            "pylon_a.nih_cxr14": {**entry_values, "aliases": ["nih"]},
            "pylon_b.only": entry_values,
        }
    )


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        (True, "pylon_a.first"),
        ("first", "pylon_a.first"),
        ("nih_cxr14", "pylon_a.nih_cxr14"),
        ("nih-cxr14", "pylon_a.nih_cxr14"),
        ("nih", "pylon_a.nih_cxr14"),
    ],
)
@pytest.mark.usefixtures("three")
def test_tags_aliases_and_the_default_are_found(tag: str | bool, name: str) -> None:
    assert manifest.find("pylon_a", tag).name == name


@pytest.mark.usefixtures("three")
def test_an_unknown_tag_names_the_nearest_and_the_others() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'nih_cxr14'\?.*Tags of pylon_a: first, nih_cxr14, nih\."):
        manifest.find("pylon_a", "nih-cxr15")


@pytest.mark.parametrize("tag", [True, "first"])
@pytest.mark.usefixtures("three")
def test_an_architecture_without_weights_says_so(tag: str | bool) -> None:
    with pytest.raises(UnknownNameError, match="no weights for 'pylon_c'"):
        manifest.find("pylon_c", tag)


# -- what users add ----------------------------------------------------------------------------------------------------


def text_of(weights: Values) -> str:
    return json.dumps({"format": 1, "weights": weights})


@pytest.fixture
def theirs(three: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The manifest that PYLON_ZOO_MANIFEST names."""
    monkeypatch.setenv("PYLON_ZOO_MANIFEST", str(tmp_path / "theirs.json"))
    return tmp_path / "theirs.json"


def test_the_environments_manifest_adds_and_overrides(theirs: Path, entry_values: Values) -> None:
    theirs.write_text(
        text_of({"pylon_a.new": entry_values, "pylon_a.first": {**entry_values, "recipe": "theirs"}}), encoding="utf-8"
    )
    assert list(manifest.load_manifest()) == ["pylon_a.new", "pylon_a.first", "pylon_a.nih_cxr14", "pylon_b.only"]
    assert manifest.find("pylon_a").name == "pylon_a.new"
    assert manifest.find("pylon_a", "first").recipe == "theirs"
    assert manifest.find("pylon_b").name == "pylon_b.only"


def test_registered_entries_come_before_all_others_the_latest_first(theirs: Path, entry_values: Values) -> None:
    theirs.write_text(text_of({"pylon_a.env": entry_values}), encoding="utf-8")
    register_weights({"pylon_a.one": entry_values, "pylon_b.only": {**entry_values, "recipe": "mine"}})
    register_weights({"pylon_a.two": {**entry_values, "aliases": ["nih"]}})
    assert list(manifest.tags_of("pylon_a")) == ["two", "nih", "one", "env", "first", "nih_cxr14"]
    assert manifest.find("pylon_a", "nih").name == "pylon_a.two"
    assert manifest.find("pylon_b").recipe == "mine"
    register_weights({"pylon_a.one": {**entry_values, "recipe": "again"}})
    assert manifest.find("pylon_a").recipe == "again"


@pytest.mark.usefixtures("three")
def test_a_file_can_be_registered(tmp_path: Path, entry_values: Values) -> None:
    (tmp_path / "file.json").write_text(text_of({"pylon_c.d": entry_values}), encoding="utf-8")
    register_weights(tmp_path / "file.json")
    assert manifest.find("pylon_c", "d").name == "pylon_c.d"


@pytest.mark.usefixtures("three")
def test_a_url_is_fetched_once(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, entry_values: Values) -> None:
    hub.objects["once.json"] = text_of({"pylon_c.d": entry_values}).encode()
    monkeypatch.setenv("PYLON_ZOO_MANIFEST", f"{hub.address}/files/once.json")
    assert manifest.find("pylon_c").name == manifest.find("pylon_c", "d").name == "pylon_c.d"
    register_weights(f"{hub.address}/files/once.json")
    assert hub.count("GET", "once.json") == 1


@pytest.mark.usefixtures("three")
def test_a_url_that_cannot_be_had_is_named(hub: LoopbackHub, entry_values: Values) -> None:
    hub.objects["broken.json"] = b"{"
    for name, end in (("gone.json", "cannot be had: .*404"), ("broken.json", "is not JSON")):
        with pytest.raises(WeightsError, match=rf"{hub.address}/files/{name} {end}"):
            register_weights(f"{hub.address}/files/{name}")
    with pytest.raises(WeightsError, match=r"http://127\.0\.0\.1:1/x cannot be had: .*give the path of a copy"):
        register_weights("http://127.0.0.1:1/x")


def test_offline_no_url_is_fetched() -> None:
    with pytest.raises(WeightsError, match=r"http://127\.0\.0\.1:1/y cannot be had: .*offline"):
        register_weights("http://127.0.0.1:1/y")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"pylon_a.b": {"source": "hub"}}, "register_weights: entry 'pylon_a.b' lacks"),
        ({"resnet50": {}}, "entry 'resnet50' lacks"),
        ({"pylon_a.b": 3}, "is no JSON object"),
        ("/no/such/file.json", "file.json cannot be read: there is no such file. Check"),
    ],
)
def test_what_cannot_be_registered_changes_nothing(entries: object, message: str, entry_values: Values) -> None:
    before = manifest.load_manifest()
    with pytest.raises(WeightsError, match=message):
        register_weights(entries)
    two = {"pylon_x.a": {**entry_values, "aliases": ["b"]}, "pylon_x.b": entry_values}
    with pytest.raises(WeightsError, match=r"which 'pylon_x\.a' has already"):
        register_weights(two)
    assert manifest.load_manifest() == before


def test_the_environments_manifest_may_be_wrong_and_is_named(theirs: Path) -> None:
    theirs.write_text("[]", encoding="utf-8")
    with pytest.raises(WeightsError, match=r"theirs\.json has the format None"):
        manifest.load_manifest()


NOWHERE = "http://127.0.0.1:1/manifest.json"


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("offline", [False, True])
def test_an_address_that_cannot_be_reached_does_not_stop_bundled_weights(
    monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    huggingface_hub.close_session()
    monkeypatch.setenv("PYLON_ZOO_MANIFEST", NOWHERE)
    with pytest.warns(UserWarning, match="cannot be had") as said:
        assert create_model("pylon_resnet18.phantom_cxr").num_classes == 8
    (warning,) = said
    assert re.fullmatch(
        rf"The manifest {NOWHERE} cannot be had: .*, so only the package's own weights are known "
        r"\(PYLON_ZOO_MANIFEST\)\.",
        str(warning.message),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # asked once, and said once
        assert "pylon_resnet18.phantom_cxr" in list_pretrained()


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("status", ["404", "500"])
def test_the_copy_of_an_address_counts_while_it_cannot_be_reached(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, entry_values: Values, status: str
) -> None:
    hub.objects[f"{status}.json"] = text_of({"pylon_c.d": entry_values}).encode()
    monkeypatch.setenv("PYLON_ZOO_MANIFEST", f"{hub.address}/files/{status}.json")
    assert manifest.find("pylon_c").name == "pylon_c.d"
    manifest._fetch_once.cache_clear()  # as in another process, later
    hub.fail(status, file=".json")
    with pytest.warns(UserWarning, match=rf"{status}.*, so the copy kept of it counts"):
        assert manifest.find("pylon_c").name == "pylon_c.d"
    manifest._unreached.clear()
    hub.faults.clear()
    hub.objects[f"{status}.json"] = b"{"  # what is reached and wrong is a mistake, and replaces no copy
    with pytest.raises(WeightsError, match="is not JSON"):
        manifest.find("pylon_c")
    hub.fail(status, file=".json")
    with pytest.warns(UserWarning, match="the copy kept of it counts"):
        assert manifest.find("pylon_c").name == "pylon_c.d"


@pytest.mark.usefixtures("three")
def test_a_cache_that_cannot_be_written_is_none(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, entry_values: Values, tmp_path: Path
) -> None:
    (tmp_path / "assets").write_text("a file where the folder should be", encoding="utf-8")
    hub.objects["readonly.json"] = text_of({"pylon_c.d": entry_values}).encode()
    monkeypatch.setenv("PYLON_ZOO_MANIFEST", f"{hub.address}/files/readonly.json")
    assert manifest.find("pylon_c").name == "pylon_c.d"


def test_a_path_that_is_not_there_yet_is_looked_at_again(theirs: Path, entry_values: Values) -> None:
    with pytest.warns(UserWarning, match=r"theirs\.json cannot be read: there is no such file, so only the package's"):
        assert manifest.find("pylon_a").name == "pylon_a.first"
    theirs.write_text(text_of({"pylon_a.new": entry_values}), encoding="utf-8")
    assert manifest.find("pylon_a").name == "pylon_a.new"


@pytest.mark.usefixtures("no_network")
def test_bundled_weights_need_no_network_whatever_else_the_manifest_names() -> None:
    assert create_model("pylon_resnet18.phantom_cxr").num_classes == 8
