"""timm's names, read off timm's own files: importing it takes seconds, and most of that is torch."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

VERSION = re.compile(r"^__version__ = ['\"](.+)['\"]", re.MULTILINE)
IMPORTED = re.compile(r"^from \.(\w+) import", re.MULTILINE)
"""How `timm.models` imports its files; those with a leading underscore are not models'."""
REGISTERED = re.compile(r"^@register_model[ \t]*\ndef (\w+)\(", re.MULTILINE)
"""How they register an architecture."""
RENAMED = re.compile(r"^register_model_deprecations\(__name__, (\{.*?^\})\)", re.MULTILINE | re.DOTALL)
"""How they register former names, with what each stands for now."""


class TimmNames(NamedTuple):
    """What the timm that is installed knows.

    Attributes:
        version: its own.
        architectures: name → the file of `timm.models` that registers it: all that `timm.list_models()` lists.
        deprecated: former names, which it takes but does not list.
    """

    version: str
    architectures: Mapping[str, str]
    deprecated: frozenset[str]


@cache
def read_timm() -> TimmNames | None:
    """The names of the timm that is installed, without importing it.

    Returns:
        None where its files cannot be read, or register an architecture in a way that is not known here.

    Example:
        >>> read_timm().architectures["resnet50"]
        'resnet'
    """
    spec = find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        return None
    try:
        return _parse(Path(spec.submodule_search_locations[0]))
    except (OSError, ValueError):  # no such files, or other ones
        return None


def _parse(package: Path) -> TimmNames:
    """The same of the folder it is installed in.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is not understood.
    """
    version = VERSION.search((package / "version.py").read_text(encoding="utf-8"))
    modules = IMPORTED.findall((package / "models" / "__init__.py").read_text(encoding="utf-8"))
    architectures: dict[str, str] = {}
    deprecated: set[str] = set()
    for module in modules:
        if module.startswith("_"):
            continue
        source = (package / "models" / f"{module}.py").read_text(encoding="utf-8")
        names, renamed = REGISTERED.findall(source), RENAMED.findall(source)
        told = source.count("\n@register_model"), source.count("\nregister_model_deprecations(")
        if told != (len(names), len(renamed)) or "register_model(" in source:
            raise ValueError(f"timm.models.{module} registers architectures in an unknown way.")
        architectures |= dict.fromkeys(names, module)
        deprecated |= {name for table in renamed for name in ast.literal_eval(table)}
    if version is None or not architectures:
        raise ValueError("timm's files are not laid out as they were.")
    return TimmNames(version[1], architectures, frozenset(deprecated))
