"""Grad-CAM and its family on any classifier: a model and a layer to heatmaps (N, K, h, w), all classes at once."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pylon_zoo.attribution.base import Attribution
    from pylon_zoo.attribution.classifier import AttributedClassifier
    from pylon_zoo.attribution.external import PytorchGradCam
    from pylon_zoo.attribution.methods import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, RefineCAM, XGradCAM
    from pylon_zoo.attribution.registry import ATTRIBUTIONS, create_attribution
else:
    from pylon_zoo.lazy import lazily as _lazily

    __getattr__, __dir__ = _lazily(
        __name__,
        {
            "base": ["Attribution"],
            "classifier": ["AttributedClassifier"],
            "external": ["PytorchGradCam"],
            "methods": ["GradCAM", "GradCAMPlusPlus", "HiResCAM", "LayerCAM", "RefineCAM", "XGradCAM"],
            "registry": ["ATTRIBUTIONS", "create_attribution"],
        },
    )

__all__ = [
    "ATTRIBUTIONS",
    "AttributedClassifier",
    "Attribution",
    "GradCAM",
    "GradCAMPlusPlus",
    "HiResCAM",
    "LayerCAM",
    "PytorchGradCam",
    "RefineCAM",
    "XGradCAM",
    "create_attribution",
]
