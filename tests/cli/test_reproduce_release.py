"""`pylon-zoo reproduce release`: the list, the dry run, and what is refused. The whole way: test_release_chain.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from pylon_zoo.cli.main import main
from pylon_zoo.experiments.releases import list_releases


def test_without_a_name_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "release"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [release.name for release in list_releases()]


def test_a_dry_run_says_what_is_to_do_and_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "runs"
    assert main(["reproduce", "release", "nih-cxr14", "--out", str(out), "--seeds", "2", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.count("to do  ") == 9
    assert "Missing: --data nih-cxr14:DIR (pylon-zoo data download nih-cxr14 DIR); --publish ORG/NAME." in said
    assert not out.exists()


def test_a_dry_run_of_transfer_asks_for_both_datasets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "release", "vindr-cxr-transfer", "--out", str(tmp_path), "--dry-run"]) == 0
    missing = capsys.readouterr().out.splitlines()[-1]
    assert "--data nih-cxr14:DIR" in missing
    assert "--data vindr-cxr:DIR" in missing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["release", "nih-cxr41"], "Did you mean 'nih-cxr14'"),
        (["release", "nih-cxr14"], "The release lacks --data nih-cxr14:DIR"),
        (["release", "nih-cxr14", "--data", "nih-cxr14:/no/such/folder"], "which is not there"),
        (["release", "nih-cxr14", "--rows", "PYLON"], "--rows is for a table"),
        (["release", "nih-cxr14", "--jobs", "2"], "--jobs is for a table"),
        (["release", "nih-cxr14", "--start", "run"], "is not of the form RECIPE=CHECKPOINT"),
        (["table1", "--publish", "org/name"], "--publish is for `pylon-zoo reproduce release NAME`"),
        (["table1", "nih-cxr14"], "NAME is for `pylon-zoo reproduce release NAME`"),
        (["table1", "--dry-run"], "--dry-run is for"),
    ],
)
def test_what_means_nothing_is_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
