"""Files of the Hub that are not what they should be, and machines that fail: the right weights, or one clear error."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_checkpoint import NAME, PINNED, REPO, RIGHT, UNPINNED, register
from huggingface_hub import constants
from loopback_hub import LoopbackHub
from systems import posix_only

from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.factory import create_model
from pylon_zoo.weights.file_names import CONFIG_FILE, WEIGHTS_FILE
from pylon_zoo.weights.integrity import record_of


class Payload:
    """A pickle that writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("pytorch_model.bin", "nothing else is read in its place, pickles least of all"),
        (WEIGHTS_FILE, "is not a complete safetensors file .*pickles are not read"),
    ],
)
def test_a_pickle_in_place_of_safetensors(
    name: str, end: str, hub: LoopbackHub, files: dict[str, bytes], tmp_path: Path
) -> None:
    hub.add(REPO, {CONFIG_FILE: files[CONFIG_FILE], name: pickle.dumps(Payload(tmp_path / "executed"))})
    with pytest.raises(WeightsError, match=end):
        create_model(NAME, pretrained=UNPINNED)
    assert not (tmp_path / "executed").exists()
    assert hub.count("GET", ".bin") == hub.count("HEAD", ".bin") == 0


def test_a_manifest_with_a_wrong_hash(load: Callable, hub: LoopbackHub, files: dict[str, bytes]) -> None:
    commit = hub.repos[REPO].commits[-1].oid
    register(commit, files, **{WEIGHTS_FILE: {"bytes": len(files[WEIGHTS_FILE]), "sha256": "0" * 64}})
    for which in (PINNED, f"hf-hub:{REPO}@{commit}"):  # the entry counts for its own commit's address too
        with pytest.raises(WeightsError, match=f"expected {'0' * 64}, found"):
            load(which)
    register(commit, files)
    assert load(PINNED) == RIGHT


def test_a_hash_in_the_description_counts(hub: LoopbackHub, files: dict[str, bytes]) -> None:
    config = json.loads(files[CONFIG_FILE])
    for sha256, end in (("0" * 64, f"expected {'0' * 64}"), (7, "sha256 is 7, but must be a JSON str")):
        hub.add(REPO, files | {CONFIG_FILE: json.dumps({**config, "sha256": sha256}).encode()})
        with pytest.raises(WeightsError, match=end):
            create_model(NAME, pretrained=UNPINNED)


def test_all_files_are_of_one_commit(hub: LoopbackHub, load: Callable) -> None:
    load(UNPINNED)
    (asked,) = (path for method, path in hub.log if method == "HEAD" and path.endswith(WEIGHTS_FILE))
    assert f"/resolve/{hub.repos[REPO].commits[-1].oid}/" in asked


def test_a_file_in_the_cache_that_was_changed(load: Callable, hub: LoopbackHub) -> None:
    for which in (PINNED, UNPINNED):
        load(which)
        (blob,) = Path(constants.HF_HUB_CACHE).glob(f"*/blobs/{record_of(hub.objects[large(hub)]).sha256}")
        blob.write_bytes(blob.read_bytes()[:-4] + bytes(4))
        with pytest.raises(WeightsError, match="removed from the cache"):
            load(which)
        assert not blob.exists()
        assert load(which) == RIGHT


def large(hub: LoopbackHub) -> str:
    return next(iter(hub.objects))


def test_weights_of_another_architecture(load: Callable) -> None:
    with pytest.raises(ConfigError, match=rf"'cam_test_resnet' was asked for, but {UNPINNED}@main holds '{NAME}'"):
        create_model("cam_test_resnet", pretrained=UNPINNED)


# -- the machine's own faults ------------------------------------------------------------------------------------------


def test_a_file_in_the_caches_place(load: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(WeightsError, match=r"the cache .*/file/cache cannot be written .* set HF_HOME"):
        load(PINNED)


def in_a_process(load: Callable, which: str, report: Path, file_limit: int | None = None) -> multiprocessing.Process:
    """A fork that loads and writes how it ended; it talks to the Hub of this process. For posix_only tests."""

    def work() -> None:
        if file_limit is not None:
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
        try:
            end = load(which)
        except Exception as error:
            end = f"{type(error).__name__}: {error}"
        report.write_text(end, encoding="utf-8")
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


@posix_only
def test_a_full_disk(load: Callable, tmp_path: Path) -> None:
    in_a_process(load, PINNED, tmp_path / "end", file_limit=10_000).join(30)
    end = (tmp_path / "end").read_text(encoding="utf-8")
    assert end.startswith(f"WeightsError: {WEIGHTS_FILE} of {REPO}")
    assert "cannot be written (File too large). Make room" in end
    assert load(PINNED) == RIGHT


@posix_only
def test_two_processes_at_once(load: Callable, hub: LoopbackHub, tmp_path: Path) -> None:
    hub.fail("stalled", times=1)
    processes = [in_a_process(load, PINNED, tmp_path / "0")]
    assert hub.stalled.wait(30)  # the first is in the middle of it
    processes.append(in_a_process(load, PINNED, tmp_path / "1"))
    processes[1].join(0.3)
    hub.resume.set()
    for process in processes:
        process.join(30)
    assert [(tmp_path / name).read_text(encoding="utf-8") for name in "01"] == [RIGHT, RIGHT]
    assert hub.count("GET", WEIGHTS_FILE) == 1


@posix_only
def test_a_process_killed_midway(load: Callable, hub: LoopbackHub, tmp_path: Path) -> None:
    hub.fail("stalled", times=1)
    process = in_a_process(load, PINNED, tmp_path / "end")
    assert hub.stalled.wait(30)
    process.kill()
    process.join(30)
    hub.resume.set()
    assert not (tmp_path / "end").exists()
    assert load(PINNED) == RIGHT
