"""Everything that goes wrong between a Hub and us ends in the right weights or in one clear error."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from loopback_hub import LoopbackHub

from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.factory import create_model
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.weights import manifest
from pylon_zoo.weights.checkpoint import CONFIG_FILE, WEIGHTS_FILE, checkpoint_files
from pylon_zoo.weights.integrity import record_of

NAME, REPO = "pylon_test_resnet", "org/model"
PINNED, UNPINNED = "published", f"hf-hub:{REPO}"
RIGHT = "right"
ALWAYS = 1e9


@pytest.fixture
def files(make_model: Callable[..., HeatmapClassifier]) -> dict[str, bytes]:
    """A small checkpoint."""
    return checkpoint_files(make_model(NAME, 2, decoder_channels=8))


@pytest.fixture
def load(
    hub: LoopbackHub, files: dict[str, bytes], make_model: Callable[..., HeatmapClassifier]
) -> Callable[[str], str]:
    """Load by the manifest's entry or by the address; "right" if those are the published weights."""
    commit = hub.add(REPO, files)
    register(commit, files)
    expected = make_model(NAME, 2, decoder_channels=8).state_dict()

    def load_(which: str) -> str:
        found = create_model(NAME, pretrained=which).state_dict()
        return RIGHT if all(torch.equal(found[name], tensor) for name, tensor in expected.items()) else "WRONG"

    return load_


def register(commit: str, files: dict[str, bytes], **records: object) -> None:
    """An entry for that commit in the manifest."""
    known = {name: vars(record_of(files[name])) for name in (CONFIG_FILE, WEIGHTS_FILE)}
    manifest.register_weights(
        {
            f"{NAME}.{PINNED}": {
                "source": "hub",
                "repo": REPO,
                "revision": commit,
                "files": known | records,
                "num_classes": 2,
                "label_names": ["class_0", "class_1"],
                "in_chans": 3,
                "input_size": [3, 160, 160],
                "mean": [0.5] * 3,
                "std": [0.5] * 3,
                "interpolation": "bicubic",
            }
        }
    )


GET, HEAD = ("GET",), ("HEAD",)  # the download itself, and the question about the file that precedes it
# Fault, the requests it meets, how often, and how loading ends.
FAULTS = [
    ("corrupted", GET, ALWAYS, r"is not the file that was published: expected [0-9a-f]{64}, found .*removed"),
    ("a web page", GET, ALWAYS, "is not the file that was published"),
    ("short", GET, ALWAYS, "another number of bytes than it announced"),
    ("cut", GET, 1, RIGHT),
    ("cut", GET, ALWAYS, "the connection broke"),
    ("401", HEAD, ALWAYS, "the server answered 401. Check your token: log in with `hf auth login` or set HF_TOKEN"),
    ("403 gated", HEAD, ALWAYS, f"it is gated. Ask for access at http.*/{REPO}"),
    ("403", HEAD, ALWAYS, "the server answered 403"),
    ("403", GET, ALWAYS, "the server answered 403. Check your token"),
    ("404", HEAD, ALWAYS, "the repository has no such file"),
    ("404", GET, ALWAYS, "the repository has no such file"),
    ("429", HEAD, 1, RIGHT),
    ("429", GET, 1, RIGHT),
    ("429", HEAD, ALWAYS, "the server answered 429"),
    ("429", GET, ALWAYS, "the server answered 429. Try again later"),
    ("500", HEAD, ALWAYS, "the server answered 500"),
    ("500", GET, ALWAYS, "the server answered 500. Try again later"),
    ("503", HEAD, 1, RIGHT),
    ("503", HEAD, ALWAYS, "the server answered 503"),
    ("503", GET, ALWAYS, "the server answered 503. Try again later"),
]


@pytest.mark.parametrize("which", [PINNED, UNPINNED])
@pytest.mark.parametrize(("fault", "methods", "times", "end"), FAULTS)
def test_a_fault_of_the_server(
    fault: str, methods: tuple[str, ...], times: float, end: str, which: str, hub: LoopbackHub, load: Callable
) -> None:
    hub.fail(fault, methods=methods, times=times)
    if end == RIGHT:
        assert load(which) == RIGHT
        return
    with pytest.raises(WeightsError, match=end) as error:
        load(which)
    assert f"{WEIGHTS_FILE} of {REPO}" in str(error.value)
    assert "\n" not in str(error.value)
    hub.faults.clear()
    assert load(which) == RIGHT  # nothing wrong stayed behind


@pytest.mark.parametrize("fault", ["corrupted", "short", "cut", "404", "500"])
def test_a_fault_in_the_description(fault: str, hub: LoopbackHub, load: Callable) -> None:
    hub.fail(fault, file=CONFIG_FILE)
    for which in (PINNED, UNPINNED):
        with pytest.raises(WeightsError, match=f"{CONFIG_FILE} of {REPO}"):
            load(which)


@pytest.mark.parametrize(
    ("which", "end"),
    [
        ("hf-hub:org/gone", "there is no such repository, or it is private"),
        (f"hf-hub:{REPO}@v9", "at v9 cannot be had from the Hub: there is no such revision"),
        (f"hf-hub:{REPO}@{'0' * 40}", "there is no such revision"),
    ],
)
def test_what_is_not_there(which: str, end: str, load: Callable) -> None:
    with pytest.raises(WeightsError, match=end):
        load(which)


def test_a_wrong_token(load: Callable, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repos[REPO].private = True
    assert load(UNPINNED) == RIGHT
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    hub.add("org/second", dict(hub.repos[REPO].commits[-1].files), private=True)
    with pytest.raises(WeightsError, match=r"no such repository, or it is private.*set HF_TOKEN"):
        load("hf-hub:org/second")


# -- no server, no network ---------------------------------------------------------------------------------------------


@pytest.fixture
def unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub's address is one where nobody listens."""
    import huggingface_hub

    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    huggingface_hub.close_session()


@pytest.mark.usefixtures("unplugged")
def test_no_server(load: Callable) -> None:
    for which in (PINNED, UNPINNED):
        with pytest.raises(WeightsError, match=r"Connection refused. Check the connection to http://127"):
            load(which)


def test_no_server_but_a_warm_cache(load: Callable, request: pytest.FixtureRequest) -> None:
    load(UNPINNED)
    request.getfixturevalue("unplugged")
    assert load(PINNED) == load(UNPINNED) == RIGHT


@pytest.mark.parametrize("fault", ["429", "500", "503"])
def test_an_outage_with_a_warm_cache(fault: str, hub: LoopbackHub, load: Callable) -> None:
    load(UNPINNED)
    hub.fail(fault, file="", methods=("GET", "HEAD"))
    assert load(PINNED) == load(UNPINNED) == RIGHT


def test_offline(load: Callable, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for which in (PINNED, UNPINNED):
        with pytest.raises(WeightsError, match=r"not in the cache, and offline mode \(HF_HUB_OFFLINE\) allows no"):
            load(which)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    load(UNPINNED)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    requests = len(hub.log)
    assert load(PINNED) == load(UNPINNED) == RIGHT
    assert len(hub.log) == requests


def test_what_is_pinned_and_cached_opens_no_connection(load: Callable, request: pytest.FixtureRequest) -> None:
    load(PINNED)
    request.getfixturevalue("no_network")
    assert load(PINNED) == RIGHT


def test_a_description_that_asks_for_the_encoders_weights_does_not_get_them(
    files: dict[str, bytes], hub: LoopbackHub
) -> None:
    config = json.loads(files[CONFIG_FILE])
    config["model_args"]["encoder_pretrained"] = True
    hub.add(REPO, files | {CONFIG_FILE: json.dumps(config).encode()})
    assert create_model(NAME, pretrained=UNPINNED).num_classes == 2
    assert not [path for _, path in hub.log if REPO not in path and not path.startswith("/objects/")]


# -- files that are not what they should be ----------------------------------------------------------------------------


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
    """A fork that loads and writes how it ended; it talks to the Hub of this process."""

    def work() -> None:
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
        try:
            end = load(which)
        except Exception as error:
            end = f"{type(error).__name__}: {error}"
        report.write_text(end)
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def test_a_full_disk(load: Callable, tmp_path: Path) -> None:
    in_a_process(load, PINNED, tmp_path / "end", file_limit=10_000).join(30)
    end = (tmp_path / "end").read_text()
    assert end.startswith(f"WeightsError: {WEIGHTS_FILE} of {REPO}")
    assert "cannot be written (File too large). Make room" in end
    assert load(PINNED) == RIGHT


def test_two_processes_at_once(load: Callable, hub: LoopbackHub, tmp_path: Path) -> None:
    hub.fail("stalled", times=1)
    processes = [in_a_process(load, PINNED, tmp_path / "0")]
    assert hub.stalled.wait(30)  # the first is in the middle of it
    processes.append(in_a_process(load, PINNED, tmp_path / "1"))
    processes[1].join(0.3)
    hub.resume.set()
    for process in processes:
        process.join(30)
    assert [(tmp_path / name).read_text() for name in "01"] == [RIGHT, RIGHT]
    assert hub.count("GET", WEIGHTS_FILE) == 1


def test_a_process_killed_midway(load: Callable, hub: LoopbackHub, tmp_path: Path) -> None:
    hub.fail("stalled", times=1)
    process = in_a_process(load, PINNED, tmp_path / "end")
    assert hub.stalled.wait(30)
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    hub.resume.set()
    assert not (tmp_path / "end").exists()
    assert load(PINNED) == RIGHT
