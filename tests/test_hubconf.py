"""`torch.hub` sees entry points and nothing else, and builds models from a checkout alone."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import pylon_zoo as pz
from pylon_zoo.models.methods import METHODS
from pylon_zoo.models.names import is_backbone

REPO = Path(__file__).resolve().parents[1]
ANY_BACKBONE = ["cam", "deeplabv3plus", "fpn", "li2018", "pan", "pylon", "unet"]
NAME = "pylon_resnet18.phantom_cxr"


@pytest.fixture
def hubconf():
    spec = importlib.util.spec_from_file_location("hubconf", REPO / "hubconf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def public(module) -> list[str]:
    """The rule of torch.hub.list."""
    return [name for name in dir(module) if callable(getattr(module, name)) and not name.startswith("_")]


def test_list_shows_only_entry_points(hubconf):
    names = public(hubconf)
    own = [name for name in names if name not in ANY_BACKBONE]
    assert sorted(names) == sorted(ANY_BACKBONE + [f"pylon_{backbone}" for backbone in hubconf._BACKBONES])
    assert len(own) >= 16
    assert {"pylon_resnet50", "pylon_resnet18", "pylon_densenet121", "pylon_convnext_tiny"} <= set(own)
    assert set(METHODS) <= set(ANY_BACKBONE)


def test_every_entry_point_has_a_name_a_backbone_and_help(hubconf):
    for name in public(hubconf):
        entry = getattr(hubconf, name)
        assert entry.__name__ == name
        assert f'torch.hub.load(repo, "{name}"' in entry.__doc__
        assert name in ANY_BACKBONE or is_backbone(name.removeprefix("pylon_"))


@pytest.mark.parametrize("method", METHODS)
def test_any_backbone(method: str):
    model = torch.hub.load(str(REPO), method, "test_resnet", source="local", num_classes=3, in_chans=1)
    assert model.architecture == f"{method}_test_resnet"
    assert model.eval()(torch.zeros(1, 1, 64, 64)).shape == (1, 3)


def test_one_backbone():
    model = torch.hub.load(str(REPO), "pylon_convnext_tiny", source="local", num_classes=2, decoder_channels=8)
    assert model.architecture == "pylon_convnext_tiny"
    assert (model.num_classes, model.num_features) == (2, 8)


@pytest.mark.parametrize("pretrained", ["phantom_cxr", "phantom-cxr", True])
def test_load_with_weights_is_create_model(pretrained: str | bool):
    x = torch.rand(1, 1, 64, 64)
    loaded = torch.hub.load(str(REPO), "pylon_resnet18", source="local", pretrained=pretrained)
    assert torch.equal(loaded(x), pz.create_model(NAME)(x))


def test_weights_that_cannot_be_had_raise():
    with pytest.raises(pz.PylonZooError, match="no weights 'nobody'"):
        torch.hub.load(str(REPO), "pylon_resnet18", source="local", pretrained="nobody")


def test_dependencies_are_import_names(hubconf):
    assert all(importlib.util.find_spec(name) for name in hubconf.dependencies)


@pytest.mark.slow
def test_a_downloaded_checkout_works_by_itself(tmp_path: Path):
    """As `torch.hub` leaves it: the repository's files in `$TORCH_HOME/hub/owner_repo_ref`, nothing installed."""
    checkout = tmp_path / "hub" / "owner_pylon_zoo_main"
    shutil.copytree(REPO / "pylon_zoo", checkout / "pylon_zoo", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("hubconf.py", "setup.cfg", "weights_manifest.json"):
        shutil.copy(REPO / name, checkout / name)
    code = (
        "import torch; repo = 'owner/pylon_zoo:main'\n"
        "print(*torch.hub.list(repo, skip_validation=True, trust_repo=True))\n"
        "print(torch.hub.help(repo, 'pylon_resnet18', skip_validation=True, trust_repo=True).split(':')[0])\n"
        "model = torch.hub.load(repo, 'pylon_resnet18', pretrained='phantom-cxr', skip_validation=True, "
        "trust_repo=True)\n"
        "import pylon_zoo; print(pylon_zoo.__file__); print(*model(torch.ones(1, 1, 64, 64))[0].tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "TORCH_HOME": str(tmp_path), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    names, about, file, logits = done.stdout.splitlines()
    assert names.split() == sorted(names.split())
    assert set(ANY_BACKBONE) < set(names.split())
    assert about == "PYLON on timm's resnet18"
    assert Path(file).is_relative_to(checkout)
    # Another process may share its work among other threads, so the last bits may differ.
    here = pz.create_model(NAME)(torch.ones(1, 1, 64, 64))[0].tolist()
    assert [float(logit) for logit in logits.split()] == pytest.approx(here, rel=1e-4)
