"""A model cut down to some of its classes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from pylon_zoo.errors import ConfigError, UnknownNameError, suggest
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.heads import MlpHead


def keep_classes(model: HeatmapClassifier, classes: Sequence[str | int]) -> None:
    """Leave a model those classes alone, in that order, in place: head, labels and thresholds.

    Args:
        model: any model whose classes are judged one by one.
        classes: names or numbers from 0 up, each once, one at least.

    Raises:
        ConfigError: none, or one twice, or the model's probabilities are a softmax over all classes.
        UnknownNameError: a class that the model does not have.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> model = build_model("pylon_test_resnet", num_classes=14)
        >>> keep_classes(model, ["class_3", 1])
        >>> model.label_names, model.head.weight.shape
        (('class_3', 'class_1'), torch.Size([2, 128, 1, 1]))
    """
    if model.activation == "softmax":
        raise ConfigError(
            f"classes={classes!r}, but the probabilities of {model.architecture} are a softmax, which needs the logits "
            "of all classes. Leave classes out."
        )
    chosen = class_indices(classes, model.label_names)
    last = model.head[-1] if isinstance(model.head, MlpHead) else model.head
    for parameter in ("weight", "bias"):
        setattr(last, parameter, nn.Parameter(getattr(last, parameter).detach()[chosen], requires_grad=False))
    if isinstance(last, nn.Conv2d):
        last.out_channels = len(chosen)
    elif isinstance(last, nn.Linear):
        last.out_features = len(chosen)
    model.num_classes = len(chosen)
    model.pretrained_cfg = {**model.pretrained_cfg, "num_classes": len(chosen)}
    thresholds = model.thresholds
    model.set_labels([model.label_names[index] for index in chosen])
    model.thresholds = None if thresholds is None else tuple(thresholds[index] for index in chosen)


def class_indices(classes: Sequence[str | int], label_names: Sequence[str]) -> list[int]:
    """The numbers of classes given by name or number.

    Raises:
        ConfigError: none, or one twice.
        UnknownNameError: a class that is not there.
    """
    if isinstance(classes, str):
        raise ConfigError(f"classes={classes!r} is one text; give a list of names or numbers.")
    indices = [label_names.index(one) if one in label_names else _number(one, label_names) for one in classes]
    if not indices or len(set(indices)) != len(indices):
        raise ConfigError(f"classes={list(classes)!r} is not valid; give at least one class, and each once.")
    return indices


def _number(given: object, label_names: Sequence[str]) -> int:
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < len(label_names):
        return given
    raise UnknownNameError(
        f"The model has no class {given!r}.{suggest(str(given), label_names)} "
        f"It has {len(label_names)}: names, or numbers from 0 to {len(label_names) - 1}."
    )
