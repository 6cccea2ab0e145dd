"""What `timm.create_model` makes of our names: timm's arguments in our words, and its descriptions of weights.

Three things differ from timm's own models. Weights are safetensors, never pickles, and their sha256 is checked wherever
one is known. Weights that were asked for are there, or an error is. And a name without a tag is the bare architecture,
1000 classes and 3 channels, whatever its weights take.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
from timm.models import PretrainedCfg
from torch import Tensor

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.build import per_channel, said_options
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.weights.checkpoint import load_state, tuples
from pylon_zoo.weights.encoders import build_on_encoder
from pylon_zoo.weights.stem import adapt_stem
from pylon_zoo.weights.timm_source import find_source

# timm's word → ours.
RENAMED = {"global_pool": "pooling"}
# timm's options that go to the encoder, with `encoder_kwargs` for all others.
ENCODER_WORDS = (
    "act_layer",
    "attn_drop_rate",
    "bn_eps",
    "bn_momentum",
    "drop_block_rate",
    "drop_path_rate",
    "norm_layer",
    "patch_drop_rate",
    "pos_drop_rate",
    "proj_drop_rate",
)
# timm's options without a meaning here: the value that changes nothing, and what to do for the others.
REFUSED: dict[str, tuple[Any, str]] = {
    "features_only": (
        False,
        "A PYLON classifies. For the encoder's maps make the encoder, "
        "timm.create_model(BACKBONE, features_only=True); for heatmaps call forward_heatmap.",
    ),
    "drop_rate": (0.0, "PYLON's head has no dropout; drop_path_rate and weight decay regularise it."),
    "pruned": (False, "Give the pruned architecture's own name."),
}
PLACEMENT = ("device", "dtype")
# What a description says of the input and of the weights, and those of it that are sizes (C, H, W) or per channel.
DESCRIPTION = (
    "interpolation",
    "crop_pct",
    "test_crop_pct",
    "crop_mode",
    "license",
    "description",
    "origin_url",
    "paper_name",
    "paper_ids",
    "notes",
)
SIZES = ("input_size", "test_input_size", "min_input_size")
STATISTICS = ("mean", "std")


def build(
    architecture: str,
    pretrained: bool | str = False,
    pretrained_cfg: str | Mapping[str, Any] | PretrainedCfg | None = None,
    pretrained_cfg_overlay: Mapping[str, Any] | None = None,
    cache_dir: str | Path | None = None,
    pretrained_model_args: Mapping[str, Any] | None = None,
    **options: Any,
) -> HeatmapClassifier:
    """What every entry point does; the arguments are those `timm.create_model` hands on.

    Args:
        architecture: `pylon_resnet50`.
        pretrained: whether to load weights.
        pretrained_cfg: a tag of the manifest, or a description of the weights as timm has read it from a `config.json`.
        pretrained_cfg_overlay: fields in place of the description's, such as `{"file": PATH}`.
        cache_dir: refused where something is to be downloaded; the Hub's own cache keeps it.
        pretrained_model_args: the options in that `config.json`.
        options: `num_classes` and `in_chans` (the weights' own if left out; another head starts fresh, the stem is
            converted by timm's rule), `label_names`, `device`, `dtype`, those of `pylon_zoo.create_pylon`, and timm's
            words: `global_pool` is `pooling`, `drop_path_rate` and its like go to the encoder.

    Returns:
        The model in training mode, as from timm, with its labels, thresholds, activation and description.

    Raises:
        UnknownNameError: no such tag or option; names the nearest.
        ConfigError: a value that cannot work, or an option without a meaning here.
        WeightsError: the weights cannot be had, or are not what was published; random ones are never returned instead.

    Example:
        >>> timm.create_model("pylon_test_resnet", num_classes=14, global_pool="avg").model_args["pooling"]
        'avg'
    """
    source = find_source(architecture, pretrained, pretrained_cfg, pretrained_cfg_overlay, pretrained_model_args)
    described = said_options(architecture, source.model_args) if source.model_args else {}
    recorded = translate(architecture, described)
    # timm has mixed the recorded options into the caller's.
    chosen = {name: value for name, value in options.items() if (name, value) not in source.model_args.items()}
    options = merge(recorded, translate(architecture, chosen))
    placement = {name: options.pop(name) for name in PLACEMENT if name in options}
    its_classes, its_chans = source.cfg["num_classes"], source.cfg["input_size"][0]
    labels, its_labels = chosen.get("label_names"), options.pop("label_names", None)
    named = len(labels) if labels is not None else its_classes
    num_classes, in_chans = options.pop("num_classes", named), options.pop("in_chans", its_chans)
    if labels is None and num_classes == its_classes:
        labels = source.label_names or its_labels
    if pretrained:
        options.pop("encoder_pretrained", None)  # they are part of the weights
        if options.get("encoder_weights") is not None:
            raise ConfigError(
                f"encoder_weights cannot be chosen for pretrained weights of {architecture}, which have the encoder's "
                "among them. Leave one out."
            )
    model = build_on_encoder(architecture, num_classes, in_chans, label_names=labels, **options)
    if pretrained:
        state = source.read(cache_dir)
        if num_classes != its_classes:
            state = with_own_head(model, state)
        load_state(model, adapt_stem(model, state, its_chans, source.where), where=source.where)
        if num_classes == its_classes and (thresholds := source.description().get("thresholds")):
            model.set_thresholds(thresholds)
    same_size = options.get("img_size") == recorded.get("img_size")
    # What stands in the bare architecture's description the model knows better, from its encoder's weights.
    bare = vars(timm.get_pretrained_cfg(architecture, allow_unregistered=False))
    said = {name: value for name, value in source.cfg.items() if value != bare[name]}
    model.pretrained_cfg |= describe_input(said, in_chans, with_size=same_size)
    # What timm.models.save_for_hf writes down, with the pooling's present name.
    model._model_args = {name: value for name, value in model.model_args.items() if name not in RENAMED.values()}
    return model.to(**placement)


def with_own_head(model: HeatmapClassifier, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint's tensors with the model's own head in place of the checkpoint's, for another number of classes."""
    head = f"{model.pretrained_cfg['classifier']}."
    kept = {name: tensor for name, tensor in state.items() if not name.startswith(head)}
    return kept | {name: tensor for name, tensor in model.state_dict().items() if name.startswith(head)}


def translate(architecture: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """timm's options in our words.

    Args:
        architecture: the model's name, for errors.
        options: timm's options, and ours, which stay.

    Raises:
        ConfigError: an option without a meaning here, or one thing said twice.

    Example:
        >>> translate("pylon_test_resnet", {"global_pool": "avg", "drop_path_rate": 0.1, "drop_rate": 0.0})
        {'pooling': 'avg', 'encoder_kwargs': {'drop_path_rate': 0.1}}
    """
    ours: dict[str, Any] = {}
    encoder = dict(options.get("encoder_kwargs") or {})
    for name, value in tuples(options).items():
        if name in REFUSED:
            harmless, instead = REFUSED[name]
            if value != harmless:
                raise ConfigError(f"{name}={value!r} cannot be chosen for {architecture}. {instead}")
        elif name in ENCODER_WORDS:
            encoder[name] = value
        elif name != "encoder_kwargs":
            word = RENAMED.get(name, name)
            if ours.get(word, value) != value:
                raise ConfigError(f"{name}={value!r} and {ours[word]!r} for the same thing; give {architecture} one.")
            ours[word] = value
    return ours | ({"encoder_kwargs": encoder} if encoder else {})


def merge(recorded: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded options with the chosen ones in their place; `encoder_kwargs` are added to the recorded ones.

    Example:
        >>> merge({"norm": "group", "encoder_kwargs": {"a": 1}}, {"encoder_kwargs": {"b": 2}})
        {'norm': 'group', 'encoder_kwargs': {'a': 1, 'b': 2}}
    """
    encoder = {**recorded.get("encoder_kwargs", {}), **chosen.get("encoder_kwargs", {})}
    return {**recorded, **chosen, **({"encoder_kwargs": encoder} if encoder else {})}


def describe_input(cfg: Mapping[str, Any], in_chans: int, *, with_size: bool = True) -> dict[str, Any]:
    """What a description of weights says of a model's input, for that many channels.

    Args:
        cfg: fields of timm's `PretrainedCfg`.
        in_chans: channels of the model's images.
        with_size: whether the size is the weights' own.

    Example:
        >>> describe_input({"input_size": (1, 192, 192), "mean": (0.5,), "crop_pct": 1.0, "file": "a"}, 3)
        {'crop_pct': 1.0, 'mean': (0.5, 0.5, 0.5), 'input_size': (3, 192, 192)}
    """
    said = {name: cfg[name] for name in DESCRIPTION if cfg.get(name) is not None}
    said |= {name: per_channel(cfg[name], in_chans) for name in STATISTICS if cfg.get(name)}
    sizes = SIZES if with_size else ()
    return said | {name: (in_chans, *cfg[name][1:]) for name in sizes if cfg.get(name)}
