"""Names → methods: ways to get heatmaps from a timm network. A new method is one module and one line in `METHODS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pylon_zoo.errors import ConfigError, UnknownNameError, suggest
from pylon_zoo.models.names import architectures, resolve_backbone, timm_module
from pylon_zoo.models.pyramids import lacks_dilation, lacks_pyramid

if TYPE_CHECKING:
    from pylon_zoo.models.contract import HeatmapClassifier


@dataclass(frozen=True)
class Method:
    """A way to get heatmaps.

    Attributes:
        path: module and class in `pylon_zoo.models`, imported when a model is asked for.
        output_stride: stride of the finest map it asks of the encoder; None is the last map alone.
        stride_option: whether the user may choose another.
        encoder_kwargs: what it asks of the timm network besides.
        lacks: what keeps a timm network, by module and architecture, from carrying it; empty if nothing does.
    """

    path: str
    output_stride: int | None = None
    stride_option: bool = False
    encoder_kwargs: Mapping[str, Any] = field(default_factory=dict)
    lacks: Callable[[str, str], str] = lambda module, arch: ""

    @property
    def model(self) -> type[HeatmapClassifier]:
        """The model's class."""
        module, _, name = self.path.rpartition(".")
        found: type[HeatmapClassifier] = getattr(import_module(f"pylon_zoo.models.{module}"), name)
        return found


METHODS: dict[str, Method] = {
    "cam": Method("cam.CamClassifier"),
    "deeplabv3plus": Method(
        "segmentation.deeplabv3plus.DeepLabV3Plus", 2, encoder_kwargs={"output_stride": 16}, lacks=lacks_dilation
    ),
    "fpn": Method("segmentation.fpn.Fpn", 4, lacks=lacks_pyramid),
    "li2018": Method("li2018.Li2018"),
    "pan": Method("segmentation.pan.Pan", 4, lacks=lacks_pyramid),
    "pylon": Method("pylon.Pylon", 4, stride_option=True),
    "unet": Method("segmentation.unet.Unet", 2, lacks=lacks_pyramid),
}
"""First part of a model's name → how to build it."""


def split_name(name: str) -> tuple[str, str]:
    """A model name's method and backbone.

    Args:
        name: `<method>_<timm architecture>`; a tag stays with the backbone.

    Raises:
        UnknownNameError: it does not begin with a method.

    Example:
        >>> split_name("pylon_resnet50")
        ('pylon', 'resnet50')
    """
    method, _, backbone = name.partition("_")
    if method not in METHODS or not backbone:
        raise UnknownNameError(
            f"Unknown model {name!r}: a name is <method>_<timm architecture>, such as 'pylon_resnet50', and the "
            f"methods are {', '.join(METHODS)}.{_suggest_model(name)}"
        )
    return method, backbone


def check_backbone(method: str, backbone: str) -> None:
    """Refuse a backbone that cannot carry a method, before anything is built.

    Args:
        method: a key of `METHODS`.
        backbone: timm architecture, with a tag or without.

    Raises:
        UnknownNameError: timm has no such architecture.
        ConfigError: it lacks what the method needs; says what.
    """
    arch = resolve_backbone(backbone).partition(".")[0]
    if lack := METHODS[method].lacks(timm_module(arch), arch):
        others = [name for name in METHODS if not METHODS[name].lacks(timm_module(arch), arch)]
        raise ConfigError(
            f"{method} cannot be built on {arch}: {lack}. Take another backbone, see "
            f"pylon_zoo.list_models('{method}_*'), or another method: {', '.join(others)} run on {arch}."
        )


def _suggest_model(name: str) -> str:
    backbones = architectures()
    if name in backbones:  # the method was left out
        return suggest(f"pylon_{name}", [f"{method}_{name}" for method in METHODS])
    return suggest(name, [f"{method}_{backbone}" for method in METHODS for backbone in backbones])
