"""PYLON on every timm architecture: the script that writes docs/backbones.md, on a few names, and on all."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm

from pylon_zoo.models.names import list_backbones

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "sweep_backbones.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.mark.sweep
def test_every_backbone(script: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    report = tmp_path / "backbones.md"
    code = script["main"](["--quiet", "--out", str(report)])
    assert code == 0, capsys.readouterr().out
    count = len(list_backbones())
    assert f"{count} build and give a heatmap at their own input size, 0 fail" in report.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_few_backbones(script: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    report = tmp_path / "backbones.md"
    assert script["main"](["--quiet", "--pattern", "test_[mv]*", "--out", str(report)]) == 0
    names = list_backbones("test_[mv]*")
    assert f"{len(names)} architectures, " in capsys.readouterr().out
    text = report.read_text(encoding="utf-8")
    assert f"{len(names)} build and give a heatmap at their own input size, 0 fail" in text
    assert "| 16 16 16 | 5 | 2 | `test_vit` |" in text
    assert "## Failures\n\nNone." in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rule", "strides"),
    [
        ("test_resnet", "flexible", (32, 16, 8, 4)),
        ("test_vit_relpos", "fixed size", (16, 16, 16)),
        ("efficientformer_l1", "native only", (32, 16, 8, 4)),
        ("convit_tiny", "square", (16, 16, 16)),
        ("swin_tiny_patch4_window7_224", "flexible", (32, 16, 8, 4)),
        ("inception_v3", "coarse steps", (32, 16, 8, 4)),
    ],
)
def test_a_row(script: dict[str, Any], name: str, rule: str, strides: tuple[int, ...]):
    row = script["run"](name)
    assert (row.failure, row.rule, row.strides) == ("", rule, strides)
    assert row.size == tuple(timm.get_pretrained_cfg(name).input_size[1:])
    assert row.parameters > 100_000


def test_unpadded_convolutions_are_counted(script: dict[str, Any]):
    assert script["run"]("legacy_xception").missing == "74×74 for 75×75"


def test_a_network_of_one_size_says_so_and_others_are_rebuilt(script: dict[str, Any]):
    refusing = script["run"]("efficientformer_l1", (300, 417))
    assert refusing.size == (224, 224)
    assert "cannot take 300×417; resize the images" in refusing.refused
    rebuilt = script["run"]("test_vit_relpos", (300, 417))
    assert (rebuilt.size, rebuilt.refused, rebuilt.failure) == ((300, 417), "", "")


def test_failures_are_counted_and_not_raised(script: dict[str, Any], capsys: pytest.CaptureFixture[str]):
    run: Callable[..., Any] = script["run"]
    row = run("test_resnet", (0, 0))
    assert row.failure
    text = script["report"]([run("test_resnet"), row], [])
    assert "2 architectures of 1 families" in text
    assert "1 fail." in text
    assert row.failure in text
    assert script["main"](["--quiet", "--pattern", "no_such_*"]) == 1
