"""Every public name stands in the reference, and its docstring says what it takes, gives and raises, and shows it."""

from __future__ import annotations

import pytest
from docstrings import documented, find, lacks

ROOMS = (
    "pylon_zoo",
    "pylon_zoo.attribution",
    "pylon_zoo.data",
    "pylon_zoo.data.cluttered_digits",
    "pylon_zoo.data.phantom",
    "pylon_zoo.evaluation",
    "pylon_zoo.metrics",
    "pylon_zoo.weights",
)


@pytest.mark.parametrize("room", ROOMS)
def test_every_exported_name_stands_in_the_reference(room: str) -> None:
    exported = {f"{room}.{name}" for name in map(str, find(room).exports) if not name.startswith("__")}
    assert exported - set(documented()) == set()


def test_no_name_stands_there_twice() -> None:
    paths = [find(name).path for name in documented()]
    assert sorted({path for path in paths if paths.count(path) > 1}) == []


@pytest.mark.parametrize("name", documented())
def test_docstrings_say_all_that_is_asked(name: str) -> None:
    assert lacks(name) == []
