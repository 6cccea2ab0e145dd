"""Optional packages: imported where they are used, and asked for by the extra that installs them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from pylon_zoo.errors import MissingDependencyError


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency or say how to install it.

    Args:
        module: import name, dots allowed (`"sklearn.metrics"`).
        extra: the extra of this package that brings it (`"metrics"`).

    Returns:
        The imported module.

    Raises:
        MissingDependencyError: the package is not installed.

    Example:
        >>> require("json", extra="none").dumps([1])
        '[1]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"This needs the package '{module.split('.')[0]}', which is not installed. "
            f'Install it with: pip install "pylon-zoo[{extra}]"'
        ) from error
