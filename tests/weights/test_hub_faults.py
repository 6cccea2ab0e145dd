"""Everything that goes wrong between a Hub and us ends in the right weights or in one clear error."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hub_checkpoint import NAME, PINNED, REPO, RIGHT, UNPINNED
from huggingface_hub import constants
from huggingface_hub.utils import _http
from loopback_hub import LoopbackHub

from pylon_zoo.errors import WeightsError
from pylon_zoo.factory import create_model
from pylon_zoo.weights.file_names import CONFIG_FILE, WEIGHTS_FILE
from pylon_zoo.weights.patience import LONGEST

ALWAYS = 1e9
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
    ("429 an hour", HEAD, ALWAYS, "the server answered 429 and asks to wait 60 minutes. "),
    ("429 an hour", GET, ALWAYS, "the server answered 429 and asks to wait 60 minutes. Try again later"),
    ("429 the window", GET, ALWAYS, "the server answered 429 and asks to wait 60 minutes"),
    ("503 tomorrow", HEAD, ALWAYS, "the server answered 503 and asks to wait 1[34][0-9]{2} minutes"),
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


@pytest.mark.parametrize("method", [HEAD, GET])
@pytest.mark.parametrize(("fault", "waited"), [("429", True), ("429 an hour", False), ("429 the window", False)])
def test_only_short_waits_are_waited_for(
    fault: str, waited: bool, method: tuple[str], hub: LoopbackHub, load: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=slept.append))
    hub.fail(fault, methods=method)
    with pytest.raises(WeightsError):
        load(PINNED)
    assert bool(slept) is waited
    assert sum(slept) <= 5 * LONGEST


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


@pytest.mark.parametrize("fault", ["429", "429 an hour", "500", "503"])
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
