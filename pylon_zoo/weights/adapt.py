"""Weights made for other images or other classes, by timm's rules: the stem is converted, the head starts fresh."""

from __future__ import annotations

from collections.abc import Mapping

from timm.models import adapt_input_conv
from torch import Tensor

from pylon_zoo.errors import WeightsError
from pylon_zoo.models.contract import HeatmapClassifier


def adapt_state(
    model: HeatmapClassifier, state: Mapping[str, Tensor], *, num_classes: int, in_chans: int, where: str
) -> dict[str, Tensor]:
    """A checkpoint's tensors, made to fit a model with another number of classes or channels.

    With one channel instead of several the stem's weights are summed, otherwise repeated and scaled by old ÷ new
    channels, so that the first maps keep their size. With another number of classes the model's own head stays.

    Args:
        model: what they are for.
        state: the checkpoint's tensors.
        num_classes: K of the checkpoint.
        in_chans: channels of the checkpoint's images.
        where: what to call the checkpoint in errors.

    Returns:
        State dict for `pylon_zoo.weights.checkpoint.load_state`, which checks the rest.

    Raises:
        WeightsError: the stem cannot be converted.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> grey, colour = (build_model("pylon_test_resnet", 2, in_chans=chans) for chans in (1, 3))
        >>> adapted = adapt_state(grey, colour.state_dict(), num_classes=2, in_chans=3, where="it")
        >>> adapted["encoder.model.conv1.0.weight"].shape
        torch.Size([16, 1, 3, 3])
    """
    adapted = dict(state)
    if in_chans != model.in_chans:
        adapted.update(_stem(model, state, in_chans, where))
    if num_classes != model.num_classes:
        prefix = model.pretrained_cfg["classifier"] + "."
        own = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(prefix)}
        adapted = {name: tensor for name, tensor in adapted.items() if not name.startswith(prefix)} | own
    return adapted


def _stem(model: HeatmapClassifier, state: Mapping[str, Tensor], in_chans: int, where: str) -> dict[str, Tensor]:
    stems = model.pretrained_cfg["first_conv"] or ()
    stems = (stems,) if isinstance(stems, str) else stems
    names = [f"{stem}.weight" for stem in stems if f"{stem}.weight" in state]
    refusal = WeightsError(
        f"The weights in {where} are for {in_chans} channels, and the stem of {model.architecture} cannot be converted "
        f"to {model.in_chans}; leave in_chans out and convert the images (pylon_zoo.preprocess(model) does)."
    )
    if not names:
        raise refusal
    try:
        # In float32, because timm keeps the type and half precision would round the sums.
        return {name: adapt_input_conv(model.in_chans, state[name].float(), base_chans=in_chans) for name in names}
    except (NotImplementedError, ValueError, AssertionError) as error:
        raise refusal from error
