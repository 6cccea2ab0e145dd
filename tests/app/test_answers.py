from __future__ import annotations

from pathlib import Path

import pytest
from prediction_inputs import encoded
from systems import link

from pylon_zoo.app import answers
from pylon_zoo.app.drawing import View
from pylon_zoo.app.studio import Desk, Studio


def files(*names: str) -> list[tuple[str, bytes | None, int]]:
    contents = [b"a letter" if "broken" in name else encoded(place) for place, name in enumerate(names)]
    return [(name, content, len(content)) for name, content in zip(names, contents, strict=True)]


def test_what_was_sent_is_read_and_gone(tmp_path: Path) -> None:
    sent = tmp_path / "folder" / "unique.bin"
    sent.parent.mkdir()
    sent.write_bytes(b"1234")
    told = [{"name": "a.png", "path": str(sent), "size": 4}, {"name": "large.png", "path": "", "size": 10**9}]
    assert answers.received(told, tmp_path) == [("a.png", b"1234", 4), ("large.png", None, 10**9)]
    assert not sent.exists()


@pytest.mark.parametrize("path", ["/etc/hostname", "{folder}/../secret.png", "{folder}", "{folder}/link.png"])
def test_nothing_outside_the_folder_is_looked_at(tmp_path: Path, path: str) -> None:
    folder, secret = tmp_path / "uploads", tmp_path / "secret.png"
    folder.mkdir()
    secret.write_bytes(encoded(0))
    link(folder / "link.png", secret)
    ((_, content, _),) = answers.received([{"name": "a.png", "path": path.format(folder=folder)}], folder)
    assert content is None
    assert secret.exists()


@pytest.mark.parametrize("nonsense", [None, "a.png", 5, [5, None], [{"path": 7, "name": 3, "size": "much"}]])
def test_nonsense_from_a_browser_is_no_error(studio: Studio, tmp_path: Path, nonsense: object) -> None:
    desk, *_ = answers.dropped(studio, answers.received(nonsense, tmp_path), 0, ["small"], View())
    assert desk.sides == ()


def test_dropping_shows_bars_and_a_map(studio: Studio) -> None:
    _, view, strip, bars, panels = answers.dropped(studio, files("a.png"), 0, ["small"], View("mass"))
    assert view.label == ""
    assert bars.count('role="option"') == 3
    assert panels.count('<img class="pz-map"') == 1
    assert "pz-strip" not in strip


def test_several_are_listed_and_what_was_left_out_is_said(studio: Studio) -> None:
    desk, _, strip, _, _ = answers.dropped(studio, files("broken.png", "b.png"), 7, ["small"], View())
    assert strip.count("<li>") == 2
    assert "7 more were left out: at most 50 are taken at a time." in strip
    listed = answers.listed(studio, desk)
    assert listed.count("<img") == 1
    assert "is not an image that can be read" in listed


def test_only_broken_ones_are_answered_in_a_sentence(studio: Studio) -> None:
    _, _, _, bars, panels = answers.dropped(studio, files("broken.png"), 0, ["small"], View())
    assert bars.strip() == ""
    assert 'role="alert"' in panels
    assert "<img" not in panels


def test_a_class_that_was_chosen_stays_when_another_image_is_picked(studio: Studio) -> None:
    desk, view, *_ = answers.dropped(studio, files("a.png", "b.png"), 0, ["small"], View())
    desk, view, bars, panels = answers.picked(studio, desk, 1, ["small", "other"], View("mass"))
    assert view.label == "mass"
    assert 'data-label="mass" aria-selected="true"' in bars
    assert panels.count('<img class="pz-map"') == 2


def test_levels_when_they_are_asked_for(studio: Studio) -> None:
    desk, *_ = answers.dropped(studio, files("a.png"), 0, ["small"], View())
    _, without = answers.redrawn(studio, desk, View("mass"))
    desk, panels = answers.redrawn(studio, desk, View("mass", levels=True))
    assert "pz-levels" not in without
    assert panels.count("Level ") == len(desk.sides[0].levels)


def test_the_dataset_is_looked_through(studio: Studio) -> None:
    desk, _, _, bars, _ = answers.opened(studio, 2, ["small"], View())
    assert desk.picture.name == "boxed, test 3"
    assert desk.known
    assert bars


@pytest.mark.parametrize("what", ["picture", "report", "csv", "json"])
def test_nothing_to_save_from_an_empty_desk(studio: Studio, what: str) -> None:
    assert answers.saved(studio, Desk(), what, "small", View()) == ""
    desk, *_ = answers.dropped(studio, files("a.png"), 0, ["small"], View())
    assert '"content"' in answers.saved(studio, desk, what, "small", View())
