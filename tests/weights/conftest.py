"""What the tests of the weights room share: no network, small models, a package of their own to bundle into."""

from __future__ import annotations

import importlib.util
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hub_checkpoint import NAME, REPO, RIGHT, register
from loopback_hub import LoopbackHub

from pylon_zoo.factory import create_model
from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.weights import manifest
from pylon_zoo.weights.checkpoint import checkpoint_files, parse_weights
from pylon_zoo.weights.file_names import WEIGHTS_FILE


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks are no faster with more threads, and much slower where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that a test registers are forgotten after it."""
    monkeypatch.setattr(manifest, "_registered", {})
    monkeypatch.setattr(manifest, "_unreached", {})
    monkeypatch.delenv(manifest.MANIFEST_VARIABLE, raising=False)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt to open a connection fails the test."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a connection was attempted")

    for owner, name in ((socket.socket, "connect"), (socket, "create_connection"), (socket, "getaddrinfo")):
        monkeypatch.setattr(owner, name, refuse)


@pytest.fixture
def make_model() -> Callable[..., HeatmapClassifier]:
    """A small model in eval mode whose every tensor is random, norm statistics and biases among them."""

    def make(architecture: str = "pylon_test_resnet", num_classes: int = 3, **options: object) -> HeatmapClassifier:
        torch.manual_seed(0)
        model = build_model(architecture, num_classes, **options)
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2.0)
            elif name.endswith("num_batches_tracked"):
                tensor.fill_(7)
            elif tensor.is_floating_point():
                tensor.add_(0.1 * torch.randn_like(tensor))
        return model.eval()

    return make


@pytest.fixture
def source_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree with an empty manifest, which the package takes for its own; its top folder."""
    room = tmp_path / "tree" / "pylon_zoo" / "weights"
    room.mkdir(parents=True)
    top = room.parents[1]
    (top / "setup.cfg").touch()
    (top / manifest.MANIFEST_FILE).write_text(json.dumps({"format": 1, "weights": {}}), encoding="utf-8")
    monkeypatch.setattr(manifest, "ROOM", room)
    return top


@pytest.fixture
def write_manifest(source_tree: Path) -> Iterator[Callable[[dict[str, object]], None]]:
    """Sets the entries of that tree's manifest."""

    def write(weights: dict[str, object]) -> None:
        (source_tree / manifest.MANIFEST_FILE).write_text(
            json.dumps({"format": 1, "weights": weights}), encoding="utf-8"
        )
        manifest.read_once.cache_clear()

    yield write
    manifest.read_once.cache_clear()


@pytest.fixture
def entry_values() -> dict[str, object]:
    """The JSON of a planned entry that is right in everything."""
    return {
        "source": "planned",
        "num_classes": 2,
        "label_names": ["mass", "nodule"],
        "in_chans": 1,
        "input_size": [1, 64, 64],
        "mean": [0.5],
        "std": [0.25],
        "interpolation": "bicubic",
    }


@pytest.fixture
def files(make_model: Callable[..., HeatmapClassifier]) -> dict[str, bytes]:
    """A small checkpoint."""
    return checkpoint_files(make_model(NAME, 2, decoder_channels=8))


@pytest.fixture
def load(hub: LoopbackHub, files: dict[str, bytes]) -> Callable[[str], str]:
    """Load that checkpoint from the Hub, by its tag or its address; "right" if those are its weights."""
    register(hub.add(REPO, files), files)
    expected = parse_weights(files[WEIGHTS_FILE], "the checkpoint")

    def load_(which: str) -> str:
        found = create_model(NAME, pretrained=which).state_dict()
        return RIGHT if all(torch.equal(found[name], tensor) for name, tensor in expected.items()) else "WRONG"

    return load_


@pytest.fixture(scope="session")
def release() -> ModuleType:
    """`official_release.py`, beside this file."""
    spec = importlib.util.spec_from_file_location("official_release", Path(__file__).with_name("official_release.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
