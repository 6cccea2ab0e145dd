"""From an empty disk to published weights on a small NIH ChestX-ray14: downloaded, killed, resumed, loaded back."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch
from fresh_processes import ROOT, loaded_in_fresh_processes
from loopback_hub import LoopbackHub
from processes import command, start
from tiny_releases import put_nih

import pylon_zoo as pz
from pylon_zoo.cli.main import main
from pylon_zoo.experiments.reproduce import run_name
from pylon_zoo.weights import manifest
from pylon_zoo.weights.checkpoint import load_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")]

MIRROR, REPO, ARCHITECTURE, TAG = "someone/NIH", "org/chest", "pylon_resnet18", "nih-cxr14"
SETTINGS = (
    f"model.architecture={ARCHITECTURE}",
    "model.options.decoder_channels=8",
    "model.options.encoder_pretrained=false",
    "data.size=32",
    "loop.batch_size=8",
    "loop.save_every=2",
    "loop.precision=no",
    "schedule.max_epochs=3",
)
# How somebody who has the patched manifest, or the repository's address, asks for the weights.
WAYS = (
    f'import pylon_zoo as pz; model = pz.create_model("{ARCHITECTURE}", pretrained="{TAG}")',
    f'import pylon_zoo, timm; model = timm.create_model("{ARCHITECTURE}.nih_cxr14", pretrained=True)',
    f'import torch; model = torch.hub.load("pylon_zoo", "{ARCHITECTURE}", source="local", pretrained="{TAG}")',
    f'import pylon_zoo as pz; model = pz.create_model("{ARCHITECTURE}", pretrained="hf-hub:{REPO}")',
)


def put_stand_in(hub: LoopbackHub, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """120 images of the generator that the benchmark takes, on the Hub as the release's mirror there has it."""
    runpy.run_path(str(ROOT / "benchmarks" / "nih_stand_in.py"))["write_release"](scratch, images=120, side=48)
    files = {path.name: path.read_bytes() for path in scratch.rglob("*.*")}
    images = {name: files.pop(name) for name in list(files) if name.endswith(".png")}
    files["Data_Entry_2017_v2020.csv"] = files.pop("Data_Entry_2017.csv")
    put_nih(hub, MIRROR, files, {1: images}, monkeypatch)
    return images


def until(there: Path, process, what: str, log: Path) -> None:
    """Wait for a file that a process writes."""
    deadline = time.monotonic() + 300
    while not there.is_file() and time.monotonic() < deadline:
        assert process.is_alive(), f"{what} came too late:\n{log.read_text(encoding='utf-8')}"
        time.sleep(0.01)
    assert there.is_file(), what


def test_from_an_empty_disk_to_weights_that_load_by_name(
    tmp_path: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out, log = tmp_path / "nih", tmp_path / "runs", tmp_path / "log.txt"
    images = put_stand_in(hub, tmp_path / "scratch", monkeypatch)

    # The connection breaks in the middle of the images; the same command goes on.
    hub.fail("cut", file="/images_001.zip")
    download = ["data", "download", TAG, str(data)]
    assert main(download) == 1
    capsys.readouterr()
    assert not list(data.rglob("*.png"))
    hub.faults.clear()
    assert main(download) == 0
    assert {path.name: path.read_bytes() for path in data.rglob("*.png")} == images
    assert main(["data", "check", f"nih-cxr14:{data}"]) == 0
    capsys.readouterr()
    words = ["reproduce", "release", TAG, "--data", f"nih-cxr14:{data}", "--out", str(out), "--device", "cpu"]
    words += [word for setting in SETTINGS for word in ("--set", setting)]

    # Killed in the middle of the training.
    process = start(command, words, str(log))
    prepared = out / "prepared" / "nih_cxr14-96.done.json"
    until(prepared, process, "the copy", log)
    when = prepared.stat().st_mtime_ns
    run = out / run_name("nih_cxr14_pylon_resnet50_256", SETTINGS) / "seed-0"
    until(run / "state.pt", process, "the state of the run", log)
    process.kill()
    process.join()
    assert not (run / "train.done.json").exists()
    assert main([*words, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "done   prepare nih_cxr14-96" in told
    assert "begun  train nih_cxr14_pylon_resnet50_256, seed 0" in told
    assert told.count("to do  ") == 5

    # Goes on, to where a repository is needed.
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "prepare nih_cxr14-96" not in told
    assert "Chosen: seed 0 is the only run." in told
    assert told.rstrip().endswith(
        "Before the step 'publish': it lacks --publish ORG/NAME. Give it, then run the same command again."
    )
    assert prepared.stat().st_mtime_ns == when
    summary = json.loads((run / "log" / "summary.json").read_text(encoding="utf-8"))
    assert summary["epochs"] == 3

    # The Hub fails while weights are published; the next time all goes well, and once more does nothing.
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # for the process that loads them back
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    published = [*words, "--publish", REPO, "--licence", "CC0-1.0"]
    hub.fail("500", file="", methods=("POST",), times=50)
    assert main(published) == 1
    assert "Stopped at: publish. The same command goes on from there." in capsys.readouterr().out
    hub.faults.clear()
    assert main(published) == 0
    told = capsys.readouterr().out
    assert "train" not in told.split("publish")[0]
    assert f"right  {ARCHITECTURE}.nih_cxr14: 3 files" in told
    commits = len(hub.repos[REPO].commits)
    assert main(published) == 0
    assert "[" not in capsys.readouterr().out
    assert len(hub.repos[REPO].commits) == commits

    # The card says what was measured, and how; the patch makes the weights known.
    card = hub.repos[REPO].commits[-1].files["README.md"].decode()
    for said in ("| **macro average** |", "On 27 images of nih_cxr14, split test", "--placement paper", "cc0-1.0"):
        assert said in card
    assert "loop.seed=0" in card
    tree = tmp_path / "tree"
    tree.mkdir()
    shutil.copy(ROOT / manifest.MANIFEST_FILE, tree)
    patch = next(out.glob("release/*/weights_manifest.patch"))
    subprocess.run(["git", "apply", str(patch)], cwd=tree, check=True)
    patched = tree / manifest.MANIFEST_FILE
    batch = torch.randn(2, 1, 64, 64)
    with torch.inference_mode():
        expected = load_checkpoint(run)(batch)
    places = {manifest.MANIFEST_VARIABLE: str(patched)}
    for logits in loaded_in_fresh_processes(list(WAYS), batch, tmp_path, places):
        assert torch.equal(logits, expected)

    # One bit of the published file is another.
    monkeypatch.setenv(manifest.MANIFEST_VARIABLE, str(patched))
    hub.fail("corrupted")
    for which in (TAG, f"hf-hub:{REPO}"):
        with pytest.raises(pz.PylonZooError, match="is not the file that was published"):
            pz.create_model(ARCHITECTURE, pretrained=which)
    assert main(["weights", "verify", f"{ARCHITECTURE}.nih_cxr14"]) == 1
    assert "WRONG" in capsys.readouterr().out
