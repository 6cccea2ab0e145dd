"""Names now, what they name when it is needed: packages and tables that import as late as they can.

Torch and timm take seconds to import. A package whose names are given by `lazily`, and a table whose lines are made by
`late`, know every name without them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def lazily(
    package: str, places: Mapping[str, Sequence[str]], modules: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package whose names are imported when they are first asked for (PEP 562).

    The package repeats the imports under `if TYPE_CHECKING:`, from which editors and type checkers complete and type
    its names, and assigns these two under `else:`. A test holds both against its `__all__`.

    Args:
        package: its name, `__name__`.
        places: module in the package → the names that are imported from it.
        modules: modules of the package that are names of it too.

    Returns:
        The two functions. A name is kept once it has been imported.

    Example:
        >>> get, names = lazily("json", {"decoder": ["JSONDecodeError"]}, ["tool"])
        >>> get("JSONDecodeError").__name__, get("tool").__name__, "tool" in names()
        ('JSONDecodeError', 'json.tool', True)
        >>> get("JSONDecodeErorr")
        Traceback (most recent call last):
        ...
        AttributeError: module 'json' has no attribute 'JSONDecodeErorr'
    """
    homes = {name: module for module, names in places.items() for name in names}

    def get(name: str) -> Any:
        if name in modules:
            return import_module(f"{package}.{name}")
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes, *modules})

    return get, names


def late(address: str, *arguments: Any, **options: Any) -> Callable[[], Any]:
    """What imports an object when it is called: a line of a `LateTable`.

    Args:
        address: `"module:name"`.
        arguments: with `options`, what is put before those that the object is later called with.

    Example:
        >>> late("math:sqrt")()(9.0), late("builtins:int", base=2)()("101")
        (3.0, 5)
    """

    def load() -> Any:
        module, _, name = address.partition(":")
        found = getattr(import_module(module), name)
        return partial(found, *arguments, **options) if arguments or options else found

    return load


class LateTable(MutableMapping[str, T], Generic[T]):
    """A table by name whose values are imported when they are asked for; its names are there at once.

    Args:
        lines: name → what gives the value, as `late` makes it; called once.

    Example:
        >>> table = LateTable({"root": late("math:sqrt"), "gone": late("no_such_module:name")})
        >>> list(table), "root" in table, table["root"](4.0)
        (['root', 'gone'], True, 2.0)
    """

    def __init__(self, lines: Mapping[str, Callable[[], T]]) -> None:
        self._lines = dict(lines)
        self._values: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._values:
            self._values[name] = self._lines[name]()
        return self._values[name]

    def __setitem__(self, name: str, value: T) -> None:
        self._lines[name] = lambda: value
        self._values.pop(name, None)

    def __delitem__(self, name: str) -> None:
        del self._lines[name]
        self._values.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._lines  # Mapping's own would import

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._lines)})"
