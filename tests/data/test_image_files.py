from __future__ import annotations

import pytest
from systems import link

from pylon_zoo.data.image_files import find_images
from pylon_zoo.errors import ImageError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in ("scan10.png", "scan2.PNG", "notes.txt", ".hidden.png", "deep/b.jpeg", "deep/er/a.dcm", ".git/c.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "bare").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(paths):
    return [path.as_posix() for path in find_images(paths)]


def test_folders_are_searched_to_the_bottom_without_hidden_or_foreign_files(tree):
    found = find_images(tree)
    assert [path.relative_to(tree).as_posix() for path in found] == [
        "deep/b.jpeg",
        "deep/er/a.dcm",
        "scan2.PNG",
        "scan10.png",
    ]


def test_patterns(tree):
    assert names("*.png") == ["scan10.png"]
    assert names("scan*") == ["scan2.PNG", "scan10.png"]
    assert names(["**/*.jpeg", "**/*.dcm"]) == ["deep/b.jpeg", "deep/er/a.dcm"]
    assert names("d*") == [
        "deep/b.jpeg",
        "deep/er/a.dcm",
    ]  # a folder that matches is searched, as a shell would have it


def test_files_named_one_by_one_are_taken_as_they_are(tree):
    assert names(["notes.txt", "gone.png", "scan10.png"]) == ["gone.png", "notes.txt", "scan10.png"]


def test_a_name_with_brackets_that_exists_is_a_file(tree):
    (tree / "scan[1].png").touch()
    assert names("scan[1].png") == ["scan[1].png"]


def test_each_file_comes_once_and_links_are_files_of_their_own(tree):
    link(tree / "alias.png", "scan10.png")
    assert names(["scan10.png", "./deep/../scan10.png", str(tree / "scan10.png"), "alias.png"]) == [
        "alias.png",
        "scan10.png",
    ]


def test_nothing_given_is_nothing_found():
    assert find_images([]) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("bare", r"The folder 'bare' holds no image: looked for \.png, \.jpg"),
        ("*.webp", r"The pattern '\*\.webp' holds no image"),
        ("no*.txt", r"The pattern 'no\*\.txt' holds no image"),
    ],
)
def test_an_empty_folder_or_pattern_is_an_error(tree, given, message):
    with pytest.raises(ImageError, match=message):
        find_images(["scan10.png", given])
