"""What is wrong with a command line is said before anything is served."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pylon_zoo.app import serving
from pylon_zoo.app.studio import Studio
from pylon_zoo.cli.main import main
from pylon_zoo.models.build import build_model
from pylon_zoo.weights.checkpoint import save_checkpoint

pytest.importorskip("gradio", reason="needs the extra [app]")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Studio, int]]:
    """What would be served, and on which port; nothing is."""
    calls: list[tuple[Studio, int]] = []
    monkeypatch.setattr(serving, "check_port", lambda host, port: None)
    monkeypatch.setattr(serving, "serve", lambda studio, port, open_browser: calls.append((studio, port)))
    return calls


def checkpoint(folder: Path, **options: object) -> str:
    model = build_model("pylon_test_resnet", 2, in_chans=1, label_names=("Mass", "b"), **options)
    return str(save_checkpoint(model, folder))


def test_the_bundled_model_and_drawn_radiographs_by_default(served: list[tuple[Studio, int]]) -> None:
    assert main(["app"]) == 0
    ((studio, port),) = served
    assert port == 7860
    assert next(iter(studio.sources)) == "pylon_resnet18.phantom_cxr"
    assert studio.dataset is not None
    assert studio.dataset.load(0).image.shape == (1, 512, 512)


def test_several_models_to_compare(served: list[tuple[Studio, int]], tmp_path: Path) -> None:
    folders = [checkpoint(tmp_path / name) for name in "ab"]
    assert main(["app", "--checkpoint", folders[0], "--checkpoint", folders[1], "--port", "8000"]) == 0
    ((studio, port),) = served
    assert (list(studio.sources)[:2], port, studio.dataset) == (folders, 8000, None)


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a wrong command line is answered, a single line."""
    assert main(words) in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as listening:
        listening.bind((serving.HOST, 0))
        listening.listen()
        port = listening.getsockname()[1]
        assert f"Port {port} of 127.0.0.1 cannot be used" in said(["app", "--port", str(port)], capsys)


def test_no_such_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert "There are no weights 'phantom'" in said(["app", "--model", "pylon_resnet18.phantom"], capsys)


def test_no_such_checkpoint(capsys: pytest.CaptureFixture[str], served: object, tmp_path: Path) -> None:
    assert "nowhere" in said(["app", "--checkpoint", str(tmp_path / "nowhere")], capsys)


def test_a_checkpoint_without_heatmaps(capsys: pytest.CaptureFixture[str], served: object, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "mlp", head_mlp_layers=2)
    assert "has no heatmaps, and they are what the app shows" in said(["app", "--checkpoint", folder], capsys)


def test_a_dataset_without_a_common_class(capsys: pytest.CaptureFixture[str], served: object, tmp_path: Path) -> None:
    words = ["app", "--checkpoint", checkpoint(tmp_path / "a"), "--data", "cluttered-digits"]
    assert "no name in common" in " ".join(said(words, capsys).split())


def test_without_gradio_the_extra_is_named(
    capsys: pytest.CaptureFixture[str], served: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gradio", None)
    assert 'pip install "pylon-zoo[app]"' in said(["app"], capsys)
