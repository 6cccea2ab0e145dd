from __future__ import annotations

from pathlib import Path

import pytest

from pylon_zoo.data.tables import find_columns, pick, read_rows
from pylon_zoo.errors import DataError


def write(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    ["a,b\n1,2\n", "\ufeffa,b\n1,2\n", "a,b\r\n1,2\r\n", 'a,"b"\n 1 ,2', "a,b\n1,2\n\n"],
    ids=["plain", "byte-order mark", "CRLF", "quotes and blanks", "blank line at the end"],
)
def test_ways_to_write_the_same_table(tmp_path, content):
    assert list(read_rows(write(tmp_path, content))) == [(1, ["a", "b"]), (2, ["1", "2"])]


def test_lines_are_numbered_as_an_editor_does(tmp_path):
    assert list(read_rows(write(tmp_path, "a\n\n,\nb\n"))) == [(1, ["a"]), (4, ["b"])]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b\n1,2\n".encode("utf-16"), "is not UTF-8 text"),
        (b"a,b\nJos\xe9,2\n", "is not UTF-8 text"),
        ('a,b\n1,"2\n3,4\n', "row 3 is not CSV"),
        ("a\n" + "x" * 200_000, "row 2 is not CSV"),
    ],
    ids=["no bytes", "blank lines", "UTF-16", "Latin-1", "open quote", "endless field"],
)
def test_what_is_no_table(tmp_path, content, reason):
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=rf"table\.csv' {reason}"):
        list(read_rows(path))


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv' does not exist"):
        list(read_rows(tmp_path / "gone.csv"))


def test_missing_columns_are_named_beside_those_found():
    with pytest.raises(DataError) as caught:
        find_columns(Path("t.csv"), ["Image", "Lable", ""], ["Label", "Age"])
    assert str(caught.value) == (
        "'t.csv' lacks the columns 'Label', 'Age'; its first row has 'Image', 'Lable'. Did you mean 'Lable'?"
    )


def test_short_rows_are_named():
    assert pick(Path("t.csv"), 2, ["a", "b", "c"], [2, 0]) == ["c", "a"]
    with pytest.raises(DataError, match=r"'t\.csv' row 9 has 2 fields where at least 3 are needed"):
        pick(Path("t.csv"), 9, ["a", "b"], [2, 0])
