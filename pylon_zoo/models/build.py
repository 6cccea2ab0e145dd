"""Configuration → model: the one place that knows every method, splits names and checks options."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pylon_zoo.errors import UnknownNameError, suggest
from pylon_zoo.models.backbone import Backbone, is_backbone, list_backbones
from pylon_zoo.models.cam import CamClassifier
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.options import as_pair, check_option
from pylon_zoo.models.pylon import Pylon


@dataclass(frozen=True)
class Method:
    """A way to get heatmaps: the model class, and the stride of the finest map it asks of the encoder.

    Without a stride it takes the last map alone, and has no option `output_stride`.
    """

    model: type[HeatmapClassifier]
    output_stride: int | None = None


METHODS: dict[str, Method] = {
    "cam": Method(CamClassifier),
    "pylon": Method(Pylon, output_stride=4),
}

# What every method takes, with its default.
ENCODER_OPTIONS: dict[str, Any] = {
    "encoder_pretrained": False,
    "img_size": None,
    "encoder_kwargs": {},
}


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


def _suggest_model(name: str) -> str:
    if is_backbone(name):  # the method was left out
        return suggest(f"pylon_{name}", [f"{method}_{name}" for method in METHODS])
    return suggest(name, [f"{method}_{backbone}" for method in METHODS for backbone in list_backbones()])


def method_options(method: str) -> dict[str, Any]:
    """Every option of a method with its default, in the order of its signature."""
    signature = inspect.signature(METHODS[method].model.__init__)
    own = {name: p.default for name, p in signature.parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    stride = METHODS[method].output_stride
    return {**own, **({} if stride is None else {"output_stride": stride}), **ENCODER_OPTIONS}


def build_model(
    architecture: str,
    num_classes: int = 1000,
    in_chans: int = 3,
    *,
    label_names: Sequence[str] | None = None,
    **options: Any,
) -> HeatmapClassifier:
    """Build a model with fresh decoder and head; the encoder's weights too unless `encoder_pretrained`.

    Args:
        architecture: `<method>_<timm architecture>`; a tag is the encoder's.
        num_classes: K; 0 for none.
        in_chans: channels of the images.
        label_names: K names, or None.
        options: the method's options, see `method_options`.

    Returns:
        The model in training mode, with `architecture`, `model_args` and `pretrained_cfg` set.

    Raises:
        UnknownNameError: unknown method, architecture, tag or option; names the nearest.
        ConfigError: a value that cannot work.

    Example:
        >>> build_model("pylon_test_resnet", num_classes=14, in_chans=1).num_classes
        14
    """
    method, backbone = split_name(architecture)
    known = method_options(method)
    for option in options:
        if option not in known:
            raise UnknownNameError(
                f"Unknown option {option!r} for a {method} model.{suggest(option, known)} Options: {', '.join(known)}."
            )
    check_option("num_classes", num_classes, at_least=0)
    check_option("in_chans", in_chans, at_least=1)
    chosen = {**known, **options}
    encoder = Backbone(
        backbone,
        in_chans=in_chans,
        pretrained=chosen["encoder_pretrained"],
        output_stride=chosen.get("output_stride"),
        img_size=chosen["img_size"],
        encoder_kwargs=chosen["encoder_kwargs"],
    )
    own = {name: value for name, value in chosen.items() if name not in (*ENCODER_OPTIONS, "output_stride")}
    model = METHODS[method].model(encoder, num_classes, **own)
    model.architecture = f"{method}_{backbone.partition('.')[0]}"
    # The encoder's weights are part of any checkpoint: a recorded encoder_pretrained would download them again.
    model.model_args = {"in_chans": in_chans} | {
        name: value for name, value in chosen.items() if value != known[name] and name != "encoder_pretrained"
    }
    model.pretrained_cfg = input_cfg(model, encoder.pretrained_cfg, in_chans, chosen["img_size"])
    if encoder.pretrained_cfg.get("fixed_input_size"):
        model.model_args["img_size"] = model.pretrained_cfg["input_size"][1:]
    if label_names is not None:
        model.set_labels(label_names)
    return model


def input_cfg(
    model: HeatmapClassifier, encoder_cfg: Mapping[str, Any], in_chans: int, img_size: int | tuple[int, int] | None
) -> dict[str, Any]:
    """timm's `pretrained_cfg` of a model: how its input must look.

    The statistics are the encoder's; where the channel count differs, each channel gets their average. Images are
    squashed to the input size and never cropped, as in the paper: a crop could cut the finding off.
    """
    size = tuple(encoder_cfg["input_size"][1:]) if img_size is None else as_pair("img_size", img_size)
    stems = tuple(f"encoder.{name}" for name in model.encoder.first_conv())
    return {
        "architecture": model.architecture,
        "num_classes": model.num_classes,
        "input_size": (in_chans, *size),
        "fixed_input_size": bool(encoder_cfg.get("fixed_input_size", False)),
        "mean": per_channel(encoder_cfg["mean"], in_chans),
        "std": per_channel(encoder_cfg["std"], in_chans),
        "interpolation": encoder_cfg.get("interpolation", "bicubic"),
        "crop_pct": 1.0,
        "crop_mode": "squash",
        "first_conv": (stems[0] if len(stems) == 1 else stems) or None,
        "classifier": "head",
    }


def per_channel(values: Sequence[float], in_chans: int) -> tuple[float, ...]:
    """A statistic of the images' channels for another number of channels: their average in each.

    Example:
        >>> per_channel((0.4, 0.5, 0.6), 1), per_channel((0.5,), 3)
        ((0.5,), (0.5, 0.5, 0.5))
    """
    return tuple(values) if len(values) == in_chans else (round(sum(values) / len(values), 4),) * in_chans
