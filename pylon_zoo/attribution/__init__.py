"""Grad-CAM and its family on any classifier: a model and a layer to heatmaps (N, K, h, w), all classes at once."""

from pylon_zoo.attribution.base import Attribution
from pylon_zoo.attribution.classifier import AttributedClassifier
from pylon_zoo.attribution.external import PytorchGradCam
from pylon_zoo.attribution.methods import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, RefineCAM, XGradCAM
from pylon_zoo.attribution.registry import ATTRIBUTIONS, create_attribution

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
