"""What timm's files say of it, against what it says of itself."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
from timm.models import get_deprecated_models, model_entrypoint

import pylon_zoo
from pylon_zoo.models import timm_files
from pylon_zoo.models.names import OWN_PACKAGE, architectures, is_backbone, timm_module
from pylon_zoo.models.timm_files import read_timm

MODULE = """from ._registry import register_model, register_model_deprecations


@register_model
def one(**options):
    pass


register_model_deprecations(__name__, {
    'old': 'one',
})
"""


def test_they_say_what_timm_says():
    names = read_timm()
    ours = {name for name in timm.list_models() if model_entrypoint(name).__module__.startswith(OWN_PACKAGE)}
    assert names.version == timm.__version__
    assert set(names.architectures) == set(timm.list_models()) - ours
    assert all(timm_module(name) == module for name, module in names.architectures.items())
    assert names.deprecated == set(get_deprecated_models())
    assert all(map(is_backbone, [*names.architectures, *names.deprecated]))


def test_where_timm_is_imported_it_is_asked(monkeypatch: pytest.MonkeyPatch, backbone_of_mine: str):
    assert backbone_of_mine in architectures()
    assert backbone_of_mine not in read_timm().architectures
    monkeypatch.delitem(sys.modules, "timm")
    assert backbone_of_mine not in architectures()


@pytest.fixture
def backbone_of_mine(monkeypatch: pytest.MonkeyPatch) -> str:
    """A user's own architecture in timm's registry."""
    registry = sys.modules["timm.models._registry"]

    def my_network(**options: object) -> None: ...

    monkeypatch.setitem(registry._model_entrypoints, "my_network", my_network)
    return "my_network"


def test_names_and_mistakes_in_them_need_no_timm():
    code = (
        "import sys; import pylon_zoo as pz; from pylon_zoo.models.methods import split_name\n"
        "from pylon_zoo.models.names import check_architecture, is_backbone\n"
        "print(len(pz.list_models()), is_backbone('resnet50'), is_backbone('resnet5O'))\n"
        "for ask in (lambda: check_architecture('resnet5O'), lambda: split_name('pilon_resnet50')):\n"
        "    try: ask()\n"
        "    except pz.PylonZooError as error: print(error)\n"
        "print({'timm', 'torch'} & set(sys.modules))"
    )
    root = Path(pylon_zoo.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    names, backbone, model, loaded = done.stdout.splitlines()
    assert names.split() == [str(len(pylon_zoo.list_models())), "True", "False"]
    assert f"timm {timm.__version__} has no such architecture. Did you mean 'resnet50'" in backbone
    assert "Did you mean 'pylon_resnet50'" in model
    assert loaded == "set()"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of another timm, with one file of models."""
    (tmp_path / "models").mkdir()
    (tmp_path / "version.py").write_text("__version__ = '9.9.9'\n", encoding="utf-8")
    (tmp_path / "models" / "__init__.py").write_text(
        "from .nets import *\nfrom ._registry import register_model\n", encoding="utf-8"
    )
    (tmp_path / "models" / "nets.py").write_text(MODULE, encoding="utf-8")
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(timm_files, "find_spec", lambda name: found)
    read_timm.cache_clear()
    yield tmp_path
    read_timm.cache_clear()


def test_another_version_is_read(installed: Path):
    assert read_timm() == ("9.9.9", {"one": "nets"}, {"old"})


@pytest.mark.parametrize(
    ("file", "find", "replacement"),
    [
        ("models/nets.py", "def one", "@another\ndef one"),
        ("models/nets.py", "$", "for net in nets:\n    register_model(net)\n"),
        ("models/nets.py", "'old': 'one'", "OLD: 'one'"),
        ("models/nets.py", r"__name__, \{", "__name__, OLD | {"),
        ("models/nets.py", "(?s)^.*$", ""),
        ("models/__init__.py", "nets", "gone"),
        ("version.py", "__version__", "version"),
    ],
)
def test_files_that_are_not_understood_are_not_guessed_at(installed: Path, file: str, find: str, replacement: str):
    path = installed / file
    changed = re.sub(find, replacement, path.read_text(encoding="utf-8"), count=1)
    assert changed != path.read_text(encoding="utf-8")
    path.write_text(changed, encoding="utf-8")
    assert read_timm() is None


def test_no_timm_no_names(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(timm_files, "find_spec", lambda name: None)
    read_timm.cache_clear()
    assert read_timm() is None
    read_timm.cache_clear()
    assert importlib.util.find_spec("timm") is not None
