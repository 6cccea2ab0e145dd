"""For all tests: offline, and one thread each, because `pytest -n` already uses every core."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from loopback_hub import TOKEN, LoopbackHub
from loopback_hub.address import LISTENER  # sets HF_HUB_OFFLINE and the like, before anything imports huggingface_hub

torch.set_num_threads(1)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """An empty Hub that huggingface_hub talks to, with an empty cache, the owner's token, and no waiting."""
    import huggingface_hub
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "assets"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for module in (file_download, _http):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=lambda seconds: None))
    huggingface_hub.close_session()
    with LoopbackHub(LISTENER) as running:
        yield running
    huggingface_hub.close_session()
