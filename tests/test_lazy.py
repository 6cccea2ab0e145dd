"""Packages and tables that import late: what they say, and that the three lists of a package's names are one."""

from __future__ import annotations

import ast
import pkgutil
import sys
from importlib import import_module
from pathlib import Path

import pytest

import pylon_zoo
from pylon_zoo.lazy import LateTable, late

ROOT = Path(pylon_zoo.__file__).parent
PACKAGES = {
    ".".join(("pylon_zoo", *path.parent.relative_to(ROOT).parts)): path
    for path in sorted(ROOT.rglob("__init__.py"))
    if "_lazily(" in path.read_text(encoding="utf-8")
}


def blocks(path: Path) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """What a package does for type checkers, and what it does instead."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    (block,) = (node for node in body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    return block.body, block.orelse


def for_type_checkers(path: Path) -> dict[str, str]:
    """Name → the module it is imported from."""
    imports = [node for node in blocks(path)[0] if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def for_python(package: str, path: Path) -> dict[str, str]:
    """The same of the arguments of `lazily`."""
    (call,) = (node for tree in blocks(path)[1] for node in ast.walk(tree) if isinstance(node, ast.Call))
    places = ast.literal_eval(call.args[1])
    modules = ast.literal_eval(call.keywords[0].value) if call.keywords else []
    homes = {name: f"{package}.{module}" for module, names in places.items() for name in names}
    return homes | dict.fromkeys(modules, package)


def test_there_are_some():
    assert {"pylon_zoo", "pylon_zoo.data", "pylon_zoo.metrics"} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_packages_names_are_one_list(package: str):
    homes = for_python(package, PACKAGES[package])
    assert homes == for_type_checkers(PACKAGES[package])
    lazy = import_module(package)
    rooms = {name for name, home in homes.items() if home == package}
    assert len(lazy.__all__) == len(set(lazy.__all__))
    assert not set(lazy.__all__) & rooms
    eager = set(lazy.__all__) - set(homes)
    assert set(homes) - rooms == set(lazy.__all__) - eager
    assert eager <= set(vars(lazy))


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_what_they_are_where_they_come_from(package: str):
    lazy, homes = import_module(package), for_python(package, PACKAGES[package])
    assert set(homes) <= set(dir(lazy))
    submodules = {module.name for module in pkgutil.iter_modules(lazy.__path__)}
    for name, home in homes.items():
        expected = import_module(f"{home}.{name}") if home == package else getattr(import_module(home), name)
        assert getattr(lazy, name) is expected
        assert home == package or name not in submodules  # it would take the name's place once it is imported


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_else_is_a_name(package: str):
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'craete_model'"):
        _ = import_module(package).craete_model
    with pytest.raises(ImportError, match="cannot import name 'craete_model'"):
        exec(f"from {package} import craete_model")


def test_a_star_imports_all():
    names: dict[str, object] = {}
    exec("from pylon_zoo import *", names)
    assert set(pylon_zoo.__all__) <= set(names)


def test_a_table_imports_nothing_for_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "slow_one.py").write_text("def double(x, times=2):\n    return x * times\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    table = LateTable({"a": late("slow_one:double"), "b": late("slow_one:double", times=3), "c": late("gone:x")})
    assert (list(table), len(table), "b" in table, "d" in table) == (["a", "b", "c"], 3, True, False)
    assert repr(table) == "LateTable(a, b, c)"
    assert "slow_one" not in sys.modules
    assert (table["a"](1), table["b"](1)) == (2, 3)
    assert table["b"] is table["b"]
    with pytest.raises(KeyError):
        table["d"]
    with pytest.raises(ModuleNotFoundError):
        table["c"]
    monkeypatch.delitem(sys.modules, "slow_one")


def test_a_table_can_be_changed(monkeypatch: pytest.MonkeyPatch):
    table: LateTable[object] = LateTable({"root": late("math:sqrt")})
    root = table["root"]
    with monkeypatch.context() as patch:
        patch.setitem(table, "root", 1)
        patch.setitem(table, "other", 2)
        assert dict(table) == {"root": 1, "other": 2}
    assert dict(table) == {"root": root}
    del table["root"]
    assert "root" not in table
    assert not table
