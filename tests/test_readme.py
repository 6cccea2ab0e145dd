"""The README's Python runs as it stands there, and what it links to exists."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from PIL import Image

from pylon_zoo.data.phantom import render

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(render(0, 0, 256).image).save("chest.png")
    names = {"images": torch.rand(1, 3, 64, 64)}
    (block,) = BLOCKS
    exec(block, names)
    assert names["logits"].shape == (1, 14)
    assert names["heatmap"].shape == (1, 14, 16, 16)
    assert (tmp_path / "nodule.png").stat().st_size > 1000


def test_every_picture_and_page_it_names_is_there():
    links = re.findall(r"\]\((?!https?://)([^)#]+)", README)
    assert "docs/images/deeppcb-by-lot.png" in links
    assert [link for link in links if not (Path(__file__).resolve().parents[1] / link).exists()] == []
