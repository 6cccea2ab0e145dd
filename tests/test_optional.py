"""A command that needs an optional package says which extra brings it, with exit code 2, and writes nothing."""

from __future__ import annotations

import sys

import pytest

from pylon_zoo.cli.main import main


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("accelerate", ["train", "phantom_cxr_pylon"], "train"),
        ("sklearn.metrics", ["train", "phantom_cxr_pylon"], "train"),
        ("matplotlib", ["figure", "roc", "found"], "plot"),
        ("sklearn.metrics", ["evaluate", "--data", "phantom", "--model", "pylon_resnet18.phantom_cxr"], "metrics"),
    ],
)
def test_missing_packages_are_named(package, arguments, extra, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)  # what Python does for a module that must not be found
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert f'pip install "pylon-zoo[{extra}]"' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
