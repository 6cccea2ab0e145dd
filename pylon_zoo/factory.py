"""Names → models: `create_pylon` for any timm backbone, `create_model` for any method and for pretrained weights.

What builds models imports torch and timm, which names do without; so it is imported when one is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from functools import cache
from typing import TYPE_CHECKING, Any

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.methods import METHODS
from pylon_zoo.models.names import architectures
from pylon_zoo.weights.manifest import load_manifest

if TYPE_CHECKING:
    from pylon_zoo.models.contract import HeatmapClassifier
    from pylon_zoo.models.pylon import Pylon


def create_pylon(
    backbone: str,
    classes: int | None = None,
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    in_channels: int | None = None,
    label_names: Sequence[str] | None = None,
    **options: Any,
) -> Pylon:
    """PYLON on any timm backbone (paper, Figure 1B), with fresh weights.

    Args:
        backbone: timm architecture; a tag is the encoder's (`"resnet50.tv_in1k"`).
        classes: number of classes, smp's word; `num_classes` is timm's. Default 1000, or one per label name.
        num_classes: the same as `classes`.
        in_chans: channels of the images, timm's word; `in_channels` is smp's. Default 3.
        in_channels: the same as `in_chans`.
        label_names: names of the classes.
        options: `encoder_pretrained` (True or a tag: timm's weights from the Hub, or without it from the extra
            `[encoders]`), `encoder_weights` (a file, a local Hub folder or a state dict, see
            `pylon_zoo.weights.encoder_files.read_encoder`), `output_stride`, `decoder_channels`, `attention`,
            `attention_gap`, `up_modules`, `up_layers`, `up_kernel`, `head_kernel`, `head_mlp_layers`, `norm`,
            `alignment`, `pooling`, `activation`, `img_size`, `encoder_kwargs`; see `pylon_zoo.models.pylon.Pylon` and
            `pylon_zoo.models.backbone.Backbone`.

    Returns:
        A `Pylon` in training mode: `forward(x)` gives logits (N, K), `forward_heatmap(x)` heatmaps (N, K, h, w).

    Raises:
        UnknownNameError: unknown backbone, tag or option; names the nearest.
        ConfigError: a value that cannot work, or two words for one thing that disagree.
        WeightsError: the encoder's weights cannot be had, or do not fit; names the tensor.

    Example:
        >>> model = create_pylon("test_resnet", classes=14, in_chans=1)
        >>> model.num_classes, model.in_chans
        (14, 1)
    """
    from pylon_zoo.models.pylon import Pylon
    from pylon_zoo.weights.encoders import build_on_encoder

    named = len(label_names) if label_names is not None else 1000
    model = build_on_encoder(
        f"pylon_{backbone}",
        _one_of("classes", classes, "num_classes", num_classes, named),
        _one_of("in_chans", in_chans, "in_channels", in_channels, 3),
        label_names=label_names,
        **options,
    )
    assert isinstance(model, Pylon)  # as the name says
    return model


def create_model(
    name: str,
    pretrained: bool | str | None = None,
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    label_names: Sequence[str] | None = None,
    **options: Any,
) -> HeatmapClassifier:
    """Any model of the zoo by name, with pretrained weights where asked for.

    Args:
        name: `<method>_<timm architecture>[.<tag>]`; a tag loads those weights.
        pretrained: None or False for fresh weights, True for the architecture's default tag, a tag (dashes and
            underscores are the same), `"hf-hub:org/name[@revision]"`, `"local-dir:PATH"`, or the path of a checkpoint
            or run folder.
        num_classes: K; None is the checkpoint's own, or 1000. Another number than the checkpoint's gets a fresh head.
        in_chans: channels of the images; None is the checkpoint's own, or 3. To one channel the stem's kernels are
            summed, otherwise repeated and scaled by old ÷ new, as in timm; other stems than convolutions are refused.
        label_names: names of the classes.
        options: the method's options, as in `create_pylon`. With weights only those that keep the shapes:
            `img_size`, `encoder_kwargs` and, for PYLON, `alignment`.

    Returns:
        The model; in eval mode with pretrained weights, in training mode without.

    Raises:
        UnknownNameError: unknown model, tag or option; names the nearest.
        ConfigError: a value that cannot work.
        WeightsError: the weights cannot be had, or are not what was published; random ones are never returned instead.

    Example:
        >>> create_model("cam_test_resnet", num_classes=3).label_names
        ('class_0', 'class_1', 'class_2')
    """
    from pylon_zoo.weights.encoders import build_on_encoder
    from pylon_zoo.weights.loading import load_pretrained

    architecture, _, tag = name.partition(".")
    if pretrained is None:
        pretrained = tag or False
    if pretrained is False:
        named = len(label_names) if label_names is not None else 1000
        return build_on_encoder(
            architecture,
            named if num_classes is None else num_classes,
            3 if in_chans is None else in_chans,
            label_names=label_names,
            **options,
        )
    if isinstance(pretrained, str) and tag and _same_tag(tag, pretrained) is False:
        raise ConfigError(f"Two tags were given: {tag!r} in the name {name!r} and pretrained={pretrained!r}. Give one.")
    if in_chans is not None:
        options["in_chans"] = in_chans
    model = load_pretrained(architecture, tag if pretrained is True and tag else pretrained, **options)
    if num_classes is not None and num_classes != model.num_classes:
        model.reset_classifier(num_classes)
    if label_names is not None:
        model.set_labels(label_names)
    return model


def list_models(pattern: str = "*") -> list[str]:
    """Names `create_model` takes: every method on every timm architecture that can carry it, sorted.

    Args:
        pattern: shell wildcard, with or without the method.

    Returns:
        Names, without tags.

    Example:
        >>> list_models("pylon_*convnext_atto*")[0]
        'pylon_convnext_atto'
    """
    return [name for name in _all_models(tuple(architectures().items())) if _matches(name, pattern)]


def list_pretrained(pattern: str = "*") -> list[str]:
    """Names with a tag whose weights can be had now, sorted.

    Args:
        pattern: shell wildcard, with or without the method.

    Returns:
        Names with tags; those of the package, the manifests that were registered, and no planned ones.

    Example:
        >>> list_pretrained("*resnet18*")
        ['pylon_resnet18.cluttered_digits', 'pylon_resnet18.phantom_cxr']
    """
    return sorted(name for name, entry in load_manifest().items() if entry.available and _matches(name, pattern))


@cache
def _all_models(backbones: tuple[tuple[str, str], ...]) -> list[str]:
    return sorted(
        f"{name}_{backbone}"
        for backbone, module in backbones
        for name, method in METHODS.items()
        if not method.lacks(module, backbone)
    )


def _matches(name: str, pattern: str) -> bool:
    return fnmatch(name, pattern) or fnmatch(name.partition("_")[2], pattern)


def _one_of(name: str, value: int | None, other_name: str, other: int | None, default: int) -> int:
    if value is not None and other is not None and value != other:
        raise ConfigError(f"{name}={value} and {other_name}={other} mean the same thing and differ; give one of them.")
    return next((given for given in (value, other) if given is not None), default)


def _same_tag(tag: str, other: str) -> bool:
    return tag.replace("-", "_") == other.replace("-", "_")
