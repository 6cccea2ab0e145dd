"""Deployment: models made fast, exported, and run over many images."""

from pylon_zoo.deployment.exporting import Exported, export
from pylon_zoo.deployment.formats import FORMATS
from pylon_zoo.deployment.optimization import optimize

__all__ = ["FORMATS", "Exported", "export", "optimize"]
