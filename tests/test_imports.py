"""Imports go down the floors of the house only, and what is slow or optional is imported where it is used.

What starting costs is in test_startup.py.
"""

from __future__ import annotations

import ast
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import pylon_zoo

ROOT = Path(pylon_zoo.__file__).parent

# From the ground up. A room imports itself and rooms of lower floors; those of one floor do not know each other.
FLOORS = (
    ("errors", "_version", "lazy", "after_import"),
    ("placements", "optional"),
    ("files", "lock", "remote", "waits", "progress", "regions", "cells", "symmetries", "pages"),
    ("data", "metrics"),
    ("models",),
    ("weights", "attribution"),
    ("factory", "timm_models", "preprocessing", "scoring"),
    ("timm_plugin",),
    ("training", "explanation"),
    ("evaluation", "deployment"),
    ("experiments", "figures", "app"),
    ("cli",),
    ("__init__", "__main__"),
)
FLOOR_OF = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}

# Slow or optional: imported where they are used, never when a module is.
LAZY = {
    "accelerate",
    "captum",
    "datasets",
    "fsspec",
    "gradio",
    "highdicom",
    "jinja2",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "openvino",
    "pandas",
    "pyarrow",
    "pydicom",
    "pytorch_grad_cam",
    "ray",
    "scipy",
    "segmentation_models_pytorch",
    "sklearn",
    "tensorboard",
    "torchcam",
    "torchmetrics",
    "wandb",
}
# This room is imported itself when one of its models is asked for, and alone knows smp.
SEGMENTATION = ROOT / "models" / "segmentation"
MODULES = sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def read(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything a module of that package imports, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    return imports(read(path), ("pylon_zoo", *path.relative_to(ROOT).parent.parts))


def eager(tree: ast.AST) -> ast.AST:
    """The tree without what importing the module does not run: functions and `if TYPE_CHECKING:`."""
    for field, value in ast.iter_fields(tree):
        if isinstance(value, list):
            setattr(tree, field, [eager(child) for child in value if not is_deferred(child)])
    return tree


def is_deferred(node: object) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))


def imported_rooms(path: Path) -> Iterator[tuple[int, str]]:
    """Line and room of everything a file imports from this package; `__init__` for the package itself."""
    for line, name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "pylon_zoo":
            known = len(parts) > 1 and ((ROOT / parts[1]).is_dir() or (ROOT / f"{parts[1]}.py").is_file())
            yield line, parts[1] if known else "__init__"


def module_ids(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def test_every_room_has_a_floor():
    rooms = {module.name for module in pkgutil.iter_modules([str(ROOT)])}
    assert rooms - set(FLOOR_OF) == set()


@pytest.mark.parametrize("path", MODULES, ids=module_ids(MODULES))
def test_imports_go_down(path: Path):
    room = room_of(path)
    wrong = [
        f"line {line} of {room} imports {other}"
        for line, other in imported_rooms(path)
        if other != room and FLOOR_OF[other] >= FLOOR_OF[room]
    ]
    assert not wrong


def module_of(path: Path) -> str:
    """The dotted name of a file of the package."""
    return ".".join(("pylon_zoo", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def circle(knows: Mapping[str, set[str]]) -> list[str]:
    """Names that know each other in a circle, the first also last; empty where there is none."""
    try:
        TopologicalSorter(knows).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_modules_import_each_other_in_a_circle():
    """Not even for types or inside functions: what cannot be read one after the other cannot be understood so."""
    names = {module_of(path) for path in MODULES}
    knows: dict[str, set[str]] = {}
    for path in MODULES:
        found = {name if name in names else name.rpartition(".")[0] for _, name in imports_of(path)}
        knows[module_of(path)] = found & names - {module_of(path)}
    assert sum(map(len, knows.values())) > len(names), "the walk has lost its way"
    assert circle(knows) == []


def test_a_circle_is_seen():
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert sorted(circle({"a": {"b"}, "b": {"c"}, "c": {"b"}})[1:]) == ["b", "c"]


DRAWN = ("phantom", "cluttered_digits")


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_datasets_do_not_know_each_other(name: str):
    others = tuple(f"pylon_zoo.data.{other}" for other in DRAWN if other != name)
    for path in (ROOT / "data" / name).glob("*.py"):
        assert not [module for _, module in imports_of(path) if module.startswith(others)], path


BELOW_MODELS = ("models", "errors", "optional", "placements", "cells", "symmetries", "pages")
MODELS = sorted((ROOT / "models").rglob("*.py"))


@pytest.mark.parametrize("path", MODELS, ids=module_ids(MODELS))
def test_models_know_only_torch_and_timm(path: Path):
    allowed = {"torch", "timm", *sys.stdlib_module_names}
    if path.is_relative_to(SEGMENTATION):
        allowed.add("segmentation_models_pytorch")
    for line, name in imports_of(path):
        top, _, rest = name.partition(".")
        if top == "pylon_zoo":
            assert rest.split(".")[0] in BELOW_MODELS, f"line {line}: {name}"
        else:
            assert top in allowed, f"line {line}: {name}"


@pytest.mark.parametrize("path", MODULES, ids=module_ids(MODULES))
def test_slow_and_optional_packages_are_imported_where_they_are_used(path: Path):
    lazy = LAZY - {"segmentation_models_pytorch"} if path.is_relative_to(SEGMENTATION) else LAZY
    assert not {name.partition(".")[0] for _, name in imports(eager(read(path)), ())} & lazy


@pytest.mark.parametrize("path", MODULES, ids=module_ids(MODULES))
def test_segmentation_is_imported_by_name_only(path: Path):
    if not path.is_relative_to(SEGMENTATION):
        assert not [name for _, name in imports_of(path) if name.startswith("pylon_zoo.models.segmentation")]


def test_the_walk_sees_what_it_should():
    source = "import a.b\nfrom c import d\nif TYPE_CHECKING:\n    import e\ndef f():\n    import g\nfrom . import h\n"
    package = ("pylon_zoo", "data")
    everything = [name for _, name in imports(ast.parse(source), package)]
    assert sorted(everything) == ["a.b", "c.d", "e", "g", "pylon_zoo.data.h"]
    assert [name for _, name in imports(eager(ast.parse(source)), package)] == ["a.b", "c.d", "pylon_zoo.data.h"]


def test_no_room_bears_a_public_name():
    rooms = {module.name for module in pkgutil.iter_modules([str(ROOT)])}
    assert not rooms & set(pylon_zoo.__all__)


def test_public_names_exist():
    assert pylon_zoo.__all__ == sorted(set(pylon_zoo.__all__))
    for name in pylon_zoo.__all__:
        assert hasattr(pylon_zoo, name), name
