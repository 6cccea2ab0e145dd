"""Names → attribution methods. A new method is one class and one line in `ATTRIBUTIONS`; names come without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

from pylon_zoo.errors import UnknownNameError, suggest
from pylon_zoo.lazy import LateTable, late

if TYPE_CHECKING:
    from torch import nn

    from pylon_zoo.attribution.base import Attribution
    from pylon_zoo.attribution.layers import LayerLike

_EXTERNAL = "pylon_zoo.attribution.external:PytorchGradCam"
ATTRIBUTIONS: LateTable[Callable[..., Attribution]] = LateTable(
    {
        "grad_cam": late("pylon_zoo.attribution.methods:GradCAM"),
        "grad_cam++": late("pylon_zoo.attribution.methods:GradCAMPlusPlus"),
        "xgrad_cam": late("pylon_zoo.attribution.methods:XGradCAM"),
        "hires_cam": late("pylon_zoo.attribution.methods:HiResCAM"),
        "layer_cam": late("pylon_zoo.attribution.methods:LayerCAM"),
        "refine_cam": late("pylon_zoo.attribution.methods:RefineCAM"),
        "score_cam": late(_EXTERNAL, "ScoreCAM"),
        "ablation_cam": late(_EXTERNAL, "AblationCAM", layouts=("NCHW",)),
        "eigen_cam": late(_EXTERNAL, "EigenCAM", per_class=False),
        "full_grad": late(_EXTERNAL, "FullGrad", takes_layer=False),
    }
)
"""Name → what makes the method of a model and, where it takes one, a layer. The last four are pytorch-grad-cam's."""


def attribution_key(name: str) -> str:
    """The key of `ATTRIBUTIONS` that a name means.

    Raises:
        UnknownNameError: there is none; names the nearest.

    Example:
        >>> attribution_key("grad-cam")
        'grad_cam'
    """
    key = str(name).replace("-", "_")
    if key not in ATTRIBUTIONS:
        raise UnknownNameError(
            f"Unknown attribution {name!r}.{suggest(key, ATTRIBUTIONS)} Valid: {', '.join(ATTRIBUTIONS)}."
        )
    return key


def create_attribution(
    name: str, model: nn.Module, layer: LayerLike | Sequence[LayerLike] | None = None, **options: Any
) -> Attribution:
    """An attribution method by name.

    Args:
        name: a key of `ATTRIBUTIONS`; dashes and underscores are the same.
        model: any classifier: images (N, C, H, W) → logits (N, K).
        layer: dotted name, module, or several of either; None is the last layer that gives a map. `refine_cam` needs
            several, `full_grad` takes none.
        options: `relu` (False; not for methods of pytorch-grad-cam, which always rectify), `layout` (None) and
            `placement` (`"exact"`), see `Attribution`.

    Returns:
        A callable `(images, classes=None)` → (N, K, h, w) float32, with `with_logits` beside it.

    Raises:
        UnknownNameError: an unknown method, option or layer; names the nearest.
        ConfigError: layers the method cannot take.
        MissingDependencyError: the method needs pytorch-grad-cam, which is not installed.

    Example:
        >>> import timm, torch
        >>> cam = create_attribution("grad-cam", timm.create_model("test_resnet", num_classes=14))
        >>> cam(torch.zeros(2, 3, 96, 64), classes=[3, 7]).shape
        torch.Size([2, 2, 3, 2])
    """
    key = attribution_key(name)
    method = ATTRIBUTIONS[key]
    known = set(signature(method).parameters) & {"relu", "layout", "placement"}
    if unknown := sorted(set(options) - known):
        raise UnknownNameError(
            f"{key} has no option {unknown[0]!r}.{suggest(unknown[0], known)} Valid: {', '.join(sorted(known))}."
        )
    return method(model, layer, **options)
