from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pylon_zoo.app.serving import HOST, check_port
from pylon_zoo.errors import ConfigError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_port_in_use_is_said_in_a_sentence(taken: int) -> None:
    with pytest.raises(ConfigError, match=rf"Port {taken} of {HOST} cannot be used \(.*\): stop what uses it") as told:
        check_port(HOST, taken)
    assert "\n" not in str(told.value)


def test_a_free_port_is_left_free(taken: int) -> None:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    check_port(HOST, port)
    check_port(HOST, port)
