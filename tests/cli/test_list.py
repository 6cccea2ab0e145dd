from __future__ import annotations

import pytest

from pylon_zoo.cli.main import main


def test_a_pattern_selects(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "pylon_resnet5*"]) == 0
    names = capsys.readouterr().out.splitlines()
    assert "pylon_resnet50" in names
    assert all(name.startswith("pylon_resnet5") for name in names)


def test_pretrained_lists_names_with_weights(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pylon_zoo.factory.list_pretrained", lambda pattern: [f"pylon_x.{pattern}"])
    assert main(["list", "tag", "--pretrained"]) == 0
    assert capsys.readouterr().out == "pylon_x.tag\n"


def test_nothing_found_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "zzz"]) == 2
    assert "'zzz'" in capsys.readouterr().err
