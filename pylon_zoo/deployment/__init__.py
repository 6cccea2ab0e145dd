"""Deployment: models made fast, exported, and run over many images."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pylon_zoo.deployment.prediction.batch_predictor import BatchPredictor
else:
    from pylon_zoo.lazy import lazily as _lazily

    __getattr__, __dir__ = _lazily(__name__, {"prediction.batch_predictor": ["BatchPredictor"]})

__all__ = ["BatchPredictor"]
