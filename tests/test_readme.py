"""The README's Python runs as it stands there, in its order."""

from __future__ import annotations

import re
from pathlib import Path

import timm
import torch
from PIL import Image

from pylon_zoo.data.phantom import render

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(render(0, 0, 256).image).save("chest.png")
    torch.save(timm.create_model("resnet18").state_dict(), "resnet18.pth")
    names = {"images": torch.rand(1, 3, 64, 64)}
    quickstart, explained, compared, options = BLOCKS
    exec(quickstart, names)
    assert names["logits"].shape == (1, 14)
    assert names["heatmap"].shape == (1, 14, 16, 16)
    exec(explained, names)
    assert (tmp_path / "nodule.png").stat().st_size > 1000
    any_classifier = timm.create_model("test_resnet", num_classes=3)
    exec(compared, names | {"any_classifier": any_classifier})
    # Weights of the encoder come from the Hub, where tests do not go.
    offline = options.replace(", encoder_pretrained=True", "")
    assert offline != options
    exec(offline, {**names, "model": names["pz"].create_pylon("test_resnet", 2)})


def test_every_picture_and_page_it_names_is_there():
    links = re.findall(r"\]\((?!https?://)([^)#]+)", README)
    assert "docs/images/demo.png" in links
    assert [link for link in links if not (Path(__file__).resolve().parents[1] / link).exists()] == []
