"""pylon_zoo: classifiers that show where they looked.

Every model turns images into class heatmaps, and pools heatmaps into logits. See `create_pylon` and `create_model`.

Importing this imports neither torch nor timm: each name below, and each room, is imported when it is first asked for.
"""

from typing import TYPE_CHECKING

from pylon_zoo._version import __version__
from pylon_zoo.after_import import after_import as _after_import
from pylon_zoo.errors import PylonZooError

if TYPE_CHECKING:
    from pylon_zoo import attribution as attribution
    from pylon_zoo import data as data
    from pylon_zoo import deployment as deployment
    from pylon_zoo import evaluation as evaluation
    from pylon_zoo import experiments as experiments
    from pylon_zoo import explanation as explanation
    from pylon_zoo import figures as figures
    from pylon_zoo import metrics as metrics
    from pylon_zoo import models as models
    from pylon_zoo import training as training
    from pylon_zoo import weights as weights
    from pylon_zoo.deployment.onnx_model import load_exported
    from pylon_zoo.deployment.optimization import optimize
    from pylon_zoo.deployment.tiling import tiled
    from pylon_zoo.explanation.explainer import explain
    from pylon_zoo.explanation.result import Explanation
    from pylon_zoo.factory import create_model, create_pylon, list_models, list_pretrained
    from pylon_zoo.models.heatmap_model import HeatmapModel
    from pylon_zoo.models.mask_view import smp_view
    from pylon_zoo.preprocessing import preprocess
    from pylon_zoo.weights.checkpoint import save_checkpoint
    from pylon_zoo.weights.manifest import register_weights
else:
    from pylon_zoo.lazy import lazily as _lazily

    __getattr__, __dir__ = _lazily(
        __name__,
        {
            "deployment.onnx_model": ["load_exported"],
            "deployment.optimization": ["optimize"],
            "deployment.tiling": ["tiled"],
            "explanation.explainer": ["explain"],
            "explanation.result": ["Explanation"],
            "factory": ["create_model", "create_pylon", "list_models", "list_pretrained"],
            "models.heatmap_model": ["HeatmapModel"],
            "models.mask_view": ["smp_view"],
            "preprocessing": ["preprocess"],
            "weights.checkpoint": ["save_checkpoint"],
            "weights.manifest": ["register_weights"],
        },
        modules=[
            "attribution",
            "data",
            "deployment",
            "evaluation",
            "experiments",
            "explanation",
            "figures",
            "metrics",
            "models",
            "training",
            "weights",
        ],
    )

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
    "load_exported",
    "optimize",
    "preprocess",
    "register_weights",
    "save_checkpoint",
    "smp_view",
    "tiled",
]


def _tell_timm() -> None:
    """Register the models with timm."""
    from pylon_zoo.timm_plugin import register

    register()


_after_import("timm.models", _tell_timm)
