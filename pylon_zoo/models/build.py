"""Configuration → model: the one place that builds any method, and checks its options."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import timm

from pylon_zoo.errors import ConfigError, UnknownNameError, suggest
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.encoder_weights import EncoderWeights
from pylon_zoo.models.gap import GapBackbone
from pylon_zoo.models.methods import METHODS, Method, check_backbone, split_name
from pylon_zoo.models.names import resolve_backbone
from pylon_zoo.models.options import as_pair, check_option

# What every method takes, with its default.
ENCODER_OPTIONS: dict[str, Any] = {
    "encoder_pretrained": False,
    "encoder_weights": None,
    "coarsest_stride": None,
    "img_size": None,
    "encoder_kwargs": {},
}
# Options that a description always says, with what one means that does not: it is older than the choice.
ALWAYS_SAID: dict[str, Any] = {"alignment": "paper"}
# The encoder's weights are part of any checkpoint: recorded, these would fetch them again.
UNRECORDED = ("encoder_pretrained", "encoder_weights")


def method_options(method: str) -> dict[str, Any]:
    """Every option of a method with its default, in the order of its signature."""
    signature = inspect.signature(METHODS[method].model.__init__)
    own = {name: p.default for name, p in signature.parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    stride = {"output_stride": METHODS[method].output_stride} if METHODS[method].stride_option else {}
    return {**own, **stride, **ENCODER_OPTIONS}


def said_options(architecture: str, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a model's description, with those that one of an earlier version leaves unsaid.

    Args:
        architecture: `<method>_<timm architecture>`.
        recorded: `model_args` as found.

    Raises:
        UnknownNameError: no such method.

    Example:
        >>> said_options("pylon_resnet50", {"in_chans": 1}), said_options("cam_resnet50", {"in_chans": 1})
        ({'alignment': 'paper', 'in_chans': 1}, {'in_chans': 1})
    """
    known = method_options(split_name(architecture)[0])
    return {name: value for name, value in ALWAYS_SAID.items() if name in known} | dict(recorded)


def build_model(
    architecture: str,
    num_classes: int = 1000,
    in_chans: int = 3,
    *,
    label_names: Sequence[str] | None = None,
    **options: Any,
) -> HeatmapClassifier:
    """Build a model with fresh decoder and head; the encoder's weights too, without `encoder_pretrained` or `_weights`.

    Args:
        architecture: `<method>_<timm architecture>`; a tag is the encoder's.
        num_classes: K; 0 for none.
        in_chans: channels of the images.
        label_names: K names, or None.
        options: the method's options, see `method_options`; `encoder_weights` are `EncoderWeights` here, which
            `pylon_zoo.weights.encoders` reads from files.

    Returns:
        The model in training mode, with `architecture`, `model_args` and `pretrained_cfg` set.

    Raises:
        UnknownNameError: unknown method, architecture, tag or option; names the nearest.
        ConfigError: a value that cannot work.
        WeightsError: the encoder's weights cannot be had or do not fit.

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
    check_backbone(method, backbone)
    chosen = {**known, **options}
    if not isinstance(chosen["encoder_weights"], EncoderWeights | None):
        raise ConfigError(
            f"encoder_weights={chosen['encoder_weights']!r} is not valid here; pylon_zoo.create_model reads files."
        )
    encoder = _build_encoder(METHODS[method], backbone, num_classes, in_chans, chosen)
    own = {name: value for name, value in chosen.items() if name not in (*ENCODER_OPTIONS, "output_stride")}
    model = METHODS[method].model(encoder, num_classes, **own)
    model.architecture = f"{method}_{backbone.partition('.')[0]}"
    model.model_args = {"in_chans": in_chans} | {
        name: value
        for name, value in chosen.items()
        if name not in UNRECORDED and (value != known[name] or name in ALWAYS_SAID)
    }
    model.pretrained_cfg = input_cfg(model, encoder.pretrained_cfg, in_chans, chosen["img_size"])
    if encoder.pretrained_cfg.get("fixed_input_size"):
        model.model_args["img_size"] = model.pretrained_cfg["input_size"][1:]
    if label_names is not None:
        model.set_labels(label_names)
    return model


def _build_encoder(method: Method, backbone: str, num_classes: int, in_chans: int, chosen: dict[str, Any]) -> Backbone:
    """The method's encoder; settles `timm_classifier` in `chosen`, which decides where the encoder ends."""
    options: dict[str, Any] = {
        "in_chans": in_chans,
        "pretrained": chosen["encoder_pretrained"],
        "weights": chosen["encoder_weights"],
        "coarsest_stride": chosen["coarsest_stride"],
        "img_size": chosen["img_size"],
        "encoder_kwargs": {**chosen["encoder_kwargs"], **method.encoder_kwargs},
    }
    if "timm_classifier" in chosen and chosen["coarsest_stride"] is None:  # else there is no end to classify from
        weights = options["weights"]
        if chosen["timm_classifier"] is None and (weights or options["pretrained"]):
            name = resolve_backbone(backbone, options["pretrained"])
            cfg = timm.get_pretrained_cfg(name)
            theirs = weights.num_classes(name) if weights else cfg and cfg.num_classes
            chosen["timm_classifier"] = theirs == num_classes or None
        if chosen["timm_classifier"]:
            return GapBackbone(backbone, **options)
    return Backbone(backbone, output_stride=chosen.get("output_stride", method.output_stride), **options)


def input_cfg(
    model: HeatmapClassifier, encoder_cfg: Mapping[str, Any], in_chans: int, img_size: int | tuple[int, int] | None
) -> dict[str, Any]:
    """timm's `pretrained_cfg` of a model: how its input must look.

    The statistics are the encoder's; where the channel count differs, each channel gets their average. Images are
    squashed to the input size and never cropped, as in the paper: a crop could cut the finding off.
    """
    size = tuple(encoder_cfg["input_size"][1:]) if img_size is None else as_pair("img_size", img_size)
    stems = model.first_conv()
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
