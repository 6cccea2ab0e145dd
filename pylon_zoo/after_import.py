"""Something to do once a module has been imported, by whomever and whenever, without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def after_import(module: str, action: Callable[[], None]) -> None:
    """Call `action` now if a module has been imported, and whenever it is: for the first time, or anew.

    Args:
        module: dotted name, `"package.module"`. Where only its package has been imported it is imported now.
        action: must bear to be called again, and import nothing at module level that imports `module`, because it is
            called before that import ends. A later action for the same module takes the place of this one.

    Example:
        >>> done = []
        >>> after_import("json.decoder", lambda: done.append("at once"))
        >>> done
        ['at once']
    """
    # Before the look at what is there. Another thread may import the package right now: either it has not come to the
    # module, and will find it by this finder, or its package is in `sys.modules`, and the import below waits for it.
    _install(_Finder(module, action))
    package = module.partition(".")[0]
    if sys.modules.get(package) is not None:
        import_module(package)
        import_module(module)
        action()


def _install(finder: _Finder) -> None:
    """Put a finder before all others, or in the place of an older one, without a moment in which any is missing."""
    for place, other in enumerate(sys.meta_path):
        if _kind(other) == _kind(finder):
            sys.meta_path[place] = finder
            return
    sys.meta_path.insert(0, finder)


def _kind(finder: Any) -> tuple[str, str, str | None]:
    """What finders for the same module share, even if this file has been imported anew between them."""
    return type(finder).__module__, type(finder).__qualname__, getattr(finder, "module", None)


class _Finder:
    """Finds one module as the finders behind it do, and sees to it that the action follows its execution."""

    def __init__(self, module: str, action: Callable[[], None]) -> None:
        self.module, self.action = module, action

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self.module:
            return None
        finders = list(sys.meta_path)
        for finder in finders[finders.index(self) + 1 :] if self in finders else ():
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find else None
            if spec is not None:
                loader: Any = _Loader(spec.loader, self.action)
                spec.loader = loader if spec.loader is not None else None
                return spec
        return None


class _Loader:
    """A module's own loader but for one thing: when it has executed the module, the action is called."""

    def __init__(self, own: Any, action: Callable[[], None]) -> None:
        self._own, self._action = own, action

    def exec_module(self, module: ModuleType) -> None:
        # The module keeps its own loader, which tools ask for its source and its data.
        module.__loader__ = self._own
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        self._own.exec_module(module)
        self._action()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)
