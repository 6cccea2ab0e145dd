"""docs/weights.md: its Python runs, and the errors it explains are those that are raised."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import timm
import torch

import pylon_zoo as pz

ROOT = Path(pz.__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.usefixtures("no_network")
@pytest.mark.filterwarnings("ignore:timm's weights of tf_efficientnet_lite0")
def test_the_python_blocks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry_values: dict[str, object]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights.json").write_text(json.dumps({"format": 1, "weights": {"pylon_a.b": entry_values}}), encoding="utf-8")
    torch.save(timm.create_model("resnet18").state_dict(), "resnet18.pth")
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(block, names)
    assert "pylon_a.b" in pz.weights.manifest.load_manifest()


def test_the_errors_it_explains_exist() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "pylon_zoo" / "weights").glob("*.py"))
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # texts that go on in the next line
    rows = re.findall(r"^\| (`.*`.*?) \|", PAGE, flags=re.MULTILINE)
    quoted = re.findall(r"`([^`]+)`", " ".join(rows))
    assert len(quoted) > 8
    for part in (part for text in quoted for part in re.split(r" … |\d{3}|golden\.safetensors", text)):
        assert part in source, part
