"""Weights: checkpoint folders, the manifest, loading by name, and the import of the authors' files."""

from pylon_zoo.weights.official import import_official

__all__ = ["import_official"]
