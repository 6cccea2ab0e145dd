"""Whether the Hub answers is asked once, and what does not answer is off for as long as asked."""

from __future__ import annotations

import pytest
from huggingface_hub import constants

from pylon_zoo.weights.reach import offline_where_unreachable


def test_a_hub_that_answers_stays_on(hub):
    with offline_where_unreachable() as reachable:
        assert reachable
        assert not constants.HF_HUB_OFFLINE


def test_one_that_does_not_is_off_and_on_again(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there

    def broken_off() -> None:
        with offline_where_unreachable(seconds=0.5) as reachable:
            assert not reachable
            assert constants.HF_HUB_OFFLINE
            raise KeyError

    with pytest.raises(KeyError):
        broken_off()
    assert not constants.HF_HUB_OFFLINE


def test_off_is_off(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with offline_where_unreachable() as reachable:
        assert not reachable
    assert constants.HF_HUB_OFFLINE
