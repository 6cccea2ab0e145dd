"""pylon_zoo: classifiers that show where they looked.

Every model turns images into class heatmaps, and pools heatmaps into logits. See `create_pylon` and `create_model`.
"""

from pylon_zoo import timm_plugin as _timm_plugin  # noqa: F401  (registers the models with timm)
from pylon_zoo._version import __version__
from pylon_zoo.deployment.optimization import optimize
from pylon_zoo.errors import PylonZooError
from pylon_zoo.explanation.explainer import explain
from pylon_zoo.explanation.result import Explanation
from pylon_zoo.factory import create_model, create_pylon, list_models, list_pretrained
from pylon_zoo.models.heatmap_model import HeatmapModel
from pylon_zoo.models.mask_view import smp_view
from pylon_zoo.preprocessing import preprocess
from pylon_zoo.weights.checkpoint import save_checkpoint
from pylon_zoo.weights.manifest import register_weights

__all__ = [
    "Explanation",
    "HeatmapModel",
    "PylonZooError",
    "__version__",
    "create_model",
    "create_pylon",
    "explain",
    "list_models",
    "list_pretrained",
    "optimize",
    "preprocess",
    "register_weights",
    "save_checkpoint",
    "smp_view",
]
