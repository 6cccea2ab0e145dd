from __future__ import annotations

import time
from email.utils import formatdate

import pytest
import timm
from loopback_hub import LoopbackHub

from pylon_zoo.errors import WeightsError
from pylon_zoo.factory import create_pylon
from pylon_zoo.weights.patience import asked_wait, short_waits


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": " 120 "}, 120),
        ({"Retry-After": formatdate(time.time() - 60, usegmt=True)}, 0),
        ({"RateLimit": '"api";r=0;t=55', "Retry-After": "7"}, 55),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({}, None),
    ],
)
def test_what_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(headers) == seconds


def test_a_date_in_the_future() -> None:
    assert asked_wait({"Retry-After": formatdate(time.time() + 600, usegmt=True)}) == pytest.approx(600, abs=5)


def test_the_clients_session_is_left_as_it_was(hub: LoopbackHub) -> None:
    from huggingface_hub import get_session

    before = list(get_session().event_hooks["response"])
    with short_waits(), short_waits():
        assert len(get_session().event_hooks["response"]) == len(before) + 2
    assert get_session().event_hooks["response"] == before


def test_an_encoder_is_not_waited_for_either(hub: LoopbackHub) -> None:
    repo = timm.get_pretrained_cfg("test_resnet").hf_hub_id
    hub.add(repo, {"model.safetensors": b"weights"})
    hub.fail("429 an hour", file="", methods=("GET", "HEAD"))
    with pytest.raises(WeightsError, match=r"timm's weights of 'test_resnet.*answered 429 and asks to wait 60 minutes"):
        create_pylon("test_resnet", 2, encoder_pretrained=True)
