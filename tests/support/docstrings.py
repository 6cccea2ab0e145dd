"""What the docstring of a public name lacks, read from the sources without importing them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
STYLE = griffe.load_extensions(ROOT / "docs" / "_site" / "house_style.py")
PACKAGE = griffe.load("pylon_zoo", search_paths=[ROOT], docstring_parser="google", extensions=STYLE)


def documented() -> list[str]:
    """The names that the pages of the reference show, as `::: pylon_zoo.explain` does, in their order."""
    pages = sorted(REFERENCE.glob("*.md"))
    return [name for page in pages for name in re.findall(r"^::: (\S+)", page.read_text("utf-8"), flags=re.MULTILINE)]


def find(name: str) -> griffe.Object:
    """The object behind a dotted name, whichever module it was imported from."""
    parent, _, last = name.rpartition(".")
    if not parent:
        return PACKAGE
    found = find(parent).members[last]
    return found.final_target if isinstance(found, griffe.Alias) else found


def rooms() -> list[str]:
    """The packages that say what they export."""
    found = [PACKAGE]
    for room in found:
        found += [each for each in room.modules.values() if each.is_init_module]
    return [room.path for room in found if room.exports]


def exported(room: str) -> set[str]:
    """Where the names that a package exports are defined.

    `pylon_zoo.evaluation.evaluate` is a function to those who import it, and a module to those who read the sources.
    """
    names = [str(name) for name in find(room).exports or () if not str(name).startswith("__")]
    found = {name: find(f"{room}.{name}") for name in names}
    return {find(f"{one.path}.{name}").path if one.is_module else one.path for name, one in found.items()}


def lacks(name: str) -> list[str]:
    """What a name's documentation lacks, a few words for each."""
    shown = find(name)
    if shown.docstring is None:
        return [f"{name}: a docstring"]
    missing = list(_of_class(shown) if isinstance(shown, griffe.Class) else _of_other(shown))
    if _wants_example(shown) and ">>> " not in shown.docstring.value:
        missing.append("an example (>>>)")
    return [f"{name}: {what}" for what in missing]


def _wants_example(shown: griffe.Object) -> bool:
    """Not a constant, nor an error, which nobody makes but the library: `PylonZooError` shows how to catch them all."""
    bases = [base.name for base in shown.mro()] if isinstance(shown, griffe.Class) else []
    return not isinstance(shown, griffe.Attribute) and "PylonZooError" not in bases


def _of_other(shown: griffe.Object) -> Iterator[str]:
    if not isinstance(shown, griffe.Function):
        return
    yield from _arguments(shown, _described(shown, "parameters"))
    sections = _sections(shown)
    if str(shown.returns) != "None" and not sections & {"returns", "yields"}:
        yield "returns"
    if _raises(shown) and "raises" not in sections:
        yield "raises"


def _of_class(shown: griffe.Class) -> Iterator[str]:
    family = [shown, *(base for base in shown.mro() if base.path.startswith("pylon_zoo."))]
    makers = [found for one in family for key in ("__init__", "__post_init__") if (found := _own(one, key))]
    known = {name for one in [*family, *makers] for name in _described(one, "parameters", "attributes")}
    yield from _arguments(shown, known)
    raising = any(_raises(one) for one in makers if isinstance(one, griffe.Function))
    if raising and not any("raises" in _sections(one) for one in [*family, *makers]):
        yield "raises"
    for key, member in shown.members.items():
        inherited = any(_own(base, key) is not None for base in family[1:])
        if key.startswith("_") or member.is_alias or inherited or key in known:
            continue
        if isinstance(member, griffe.Function) or "property" in member.labels:
            if member.docstring is None:
                yield f"a docstring of {key}"
            elif isinstance(member, griffe.Function) and _raises(member) and "raises" not in _sections(member):
                yield f"raises of {key}"


def _own(shown: griffe.Object, key: str) -> griffe.Object | None:
    member = shown.members.get(key)
    return None if member is None or member.is_alias else member


def _arguments(shown: griffe.Function | griffe.Class, described: set[str]) -> Iterator[str]:
    wanted = [one.name.lstrip("*") for one in shown.parameters if one.name not in ("self", "cls")]
    wanted = [name for name in wanted if not name.startswith("_")]
    if unknown := [name for name in wanted if name not in described]:
        yield f"arguments {', '.join(unknown)}"


def _described(shown: griffe.Object, *kinds: str) -> set[str]:
    """Names of the arguments that a docstring describes."""
    if shown.docstring is None:
        return set()
    sections = shown.docstring.parse("google", warnings=False)
    return {item.name.lstrip("*") for section in sections if section.kind.value in kinds for item in section.value}


def _sections(shown: griffe.Object) -> set[str]:
    if shown.docstring is None:
        return set()
    return {section.kind.value for section in shown.docstring.parse("google", warnings=False)}


def _raises(function: griffe.Function) -> bool:
    """Whether a function's own body raises an error, other than to say that subclasses must write it."""
    body = ast.parse("".join(line.lstrip() if number == 0 else line for number, line in enumerate(_lines(function))))
    return any(
        isinstance(node, ast.Raise) and node.exc is not None and "NotImplementedError" not in ast.unparse(node.exc)
        for node in ast.walk(body)
    )


def _lines(function: griffe.Function) -> list[str]:
    text = "\n".join(function.lines)
    indent = len(text) - len(text.lstrip())
    return [line[indent:] + "\n" for line in text.split("\n")]


if __name__ == "__main__":
    print("\n".join(line for name in documented() for line in lacks(name)))
