"""Every public name stands in the reference, and its docstring says what it takes, gives and raises, and shows it."""

from __future__ import annotations

import pytest
from docstrings import documented, exported, find, lacks, rooms


def test_the_rooms_say_what_they_export() -> None:
    assert {"pylon_zoo", "pylon_zoo.attribution", "pylon_zoo.data", "pylon_zoo.metrics"} <= set(rooms())


@pytest.mark.parametrize("room", rooms())
def test_every_exported_name_stands_in_the_reference(room: str) -> None:
    assert exported(room) - {find(name).path for name in documented()} == set()


def test_no_name_stands_there_twice() -> None:
    paths = [find(name).path for name in documented()]
    assert sorted({path for path in paths if paths.count(path) > 1}) == []


@pytest.mark.parametrize("name", documented())
def test_docstrings_say_all_that_is_asked(name: str) -> None:
    assert lacks(name) == []
