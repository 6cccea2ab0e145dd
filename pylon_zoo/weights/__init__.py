"""Weights: checkpoint folders, the manifest, loading by name, and the import of the authors' files."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pylon_zoo.weights.official import import_official
else:
    from pylon_zoo.lazy import lazily as _lazily

    __getattr__, __dir__ = _lazily(__name__, {"official": ["import_official"]})

__all__ = ["import_official"]
