"""The demo: offline, with the files of `explain`, and an honest line per finding."""

from __future__ import annotations

import json
import socket

import pytest

from pylon_zoo.cli.demo import IMAGES, MODEL
from pylon_zoo.cli.main import main


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the demo opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)


@pytest.mark.slow
def test_demo_writes_what_explain_writes(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 0
    results = json.loads((tmp_path / "demo" / "results.json").read_text(encoding="utf-8"))
    assert results["model"] == MODEL
    assert len(results["images"]) == len(IMAGES)
    assert all(image["error"] is None for image in results["images"])
    overlays = [finding["overlay"] for image in results["images"] for finding in image["findings"]]
    assert all((tmp_path / "demo" / overlay).is_file() for overlay in overlays)
    assert (tmp_path / "demo" / "report.html").is_file()
    printed = capsys.readouterr().out
    inside, outside = printed.count(" inside its box"), printed.count(" OUTSIDE its box")
    assert f"{inside} of {inside + outside} peaks lie in the true box" in printed
    assert inside > outside


def test_demo_needs_a_folder(capsys):
    assert main(["demo"]) == 2
    assert "--out" in capsys.readouterr().err
