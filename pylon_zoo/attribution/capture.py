"""One forward pass that remembers what layers gave, and the gradients of any class with respect to that.

The network below the first of the layers runs without gradients and is never run backward; it runs once, for any number
of classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pylon_zoo.attribution.layers import Layers
from pylon_zoo.errors import ConfigError

# Gradients of so many numbers are held at once: 128 MiB in float32. Classes beyond wait for the next chunk.
MAX_NUMBERS = 2**25


class Capture(NamedTuple):
    """A forward pass.

    Attributes:
        logits: (N, K), on the graph that begins at the first layer.
        outputs: layer name → its output (N, …), in the layer's own layout.
    """

    logits: Tensor
    outputs: dict[str, Tensor]


def capture(model: nn.Module, layers: Layers, images: Tensor) -> Capture:
    """Run a model and keep what the layers gave.

    Hooks and gradient mode are as before afterwards, whatever happened; no parameter is touched.

    Args:
        model: a classifier, in evaluation mode.
        layers: from `find_layers` or `default_layer`.
        images: (N, C, H, W).

    Raises:
        ConfigError: a layer did not run, ran twice, or gave no tensor for each image; logits that are not (N, K), or do
            not depend on any of the layers.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> logits, outputs = capture(model, {"0": model[0]}, torch.zeros(1, 1, 4, 4))
        >>> logits.requires_grad, outputs["0"].shape, model[0].weight.grad
        (True, torch.Size([1, 2, 4, 4]), None)
    """
    outputs: dict[str, Tensor] = {}
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        for name, module in layers.items():
            stack.callback(module.register_forward_hook(_keep(name, outputs, len(images))).remove)
        logits = model(images)
    if missing := [name for name in layers if name not in outputs]:
        raise ConfigError(
            f"Layer {missing[0]!r} did not run for these images; give a layer that does. "
            "(With gradient checkpointing on, the blocks of a stage run and the stage itself does not.)"
        )
    _check_logits(logits, len(images))
    if not logits.requires_grad:
        raise ConfigError(_independent(next(iter(outputs))))
    return Capture(logits, {name: outputs[name] for name in layers})


def outputs_of(model: nn.Module, layers: Layers, images: Tensor) -> dict[str, Tensor]:
    """Layer name → what it gave for images (N, C, H, W), in the order of `layers`.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten())
        >>> outputs_of(model, {"0": model[0]}, torch.zeros(1, 1, 4, 4))["0"].shape
        torch.Size([1, 2, 4, 4])
    """
    outputs: dict[str, Tensor] = {}
    with ExitStack() as stack:
        for name, module in layers.items():
            hook = module.register_forward_hook(lambda module, args, output, name=name: outputs.update({name: output}))
            stack.callback(hook.remove)
        model(images)
    return {name: outputs[name] for name in layers}


def _keep(name: str, outputs: dict[str, Tensor], batch: int) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Tensor:
        if name in outputs:
            raise ConfigError(
                f"Layer {name!r} runs more than once in a forward pass, so it has no single map; give a layer that "
                "runs once, such as the module around it."
            )
        if not isinstance(output, Tensor) or output.ndim not in (3, 4) or len(output) != batch:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ConfigError(
                f"Layer {name!r} gives {shape} for {batch} images, not one map (N, C, h, w), (N, h, w, C) or (N, L, C) "
                "for each of them; give another layer."
            )
        torch.set_grad_enabled(True)  # for what follows; capture() ends it
        # The graph begins here, unless an earlier layer began it.
        outputs[name] = output if output.requires_grad else output.detach().requires_grad_()
        return outputs[name].clone()  # what follows may work in place

    return hook


def _check_logits(logits: Any, batch: int) -> None:
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != batch or not logits.is_floating_point():
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ConfigError(f"The model gives {shape} for {batch} images, but attributions need logits ({batch}, K).")


def _independent(name: str) -> str:
    return (
        f"The logits do not depend on layer {name!r}, or the model runs what follows it without gradients "
        "(torch.no_grad, detach); give another layer."
    )


def gradients(captured: Capture, classes: Sequence[int]) -> Iterator[list[Tensor]]:
    """Gradients of logits with respect to what the layers gave, a chunk of classes after the other.

    Where a class alone does not depend on a layer, its gradient is zero.

    Args:
        captured: from `capture`.
        classes: indices into the K logits.

    Yields:
        For the next k classes, one tensor (k, N, …) per layer: the gradient of that class's logit.

    Raises:
        ConfigError: none of the logits depends on a layer.
    """
    outputs = list(captured.outputs.values())
    step = max(1, MAX_NUMBERS // sum(output.numel() for output in outputs))
    for start in range(0, len(classes), step):
        grads = _class_gradients(captured.logits, outputs, classes[start : start + step])
        found = []
        for name, grad in zip(captured.outputs, grads, strict=True):
            if grad is None:
                raise ConfigError(_independent(name))
            found.append(grad)
        yield found


def _class_gradients(logits: Tensor, outputs: list[Tensor], classes: Sequence[int]) -> list[Tensor | None]:
    chosen = torch.zeros(len(classes), *logits.shape, dtype=logits.dtype, device=logits.device)
    chosen[range(len(classes)), :, classes] = 1
    options = {"retain_graph": True, "allow_unused": True}
    if len(classes) > 1:
        try:
            return list(torch.autograd.grad(logits, outputs, chosen, is_grads_batched=True, **options))
        except RuntimeError as error:
            if not _cannot_batch(error):
                raise
    each = [torch.autograd.grad(logits, outputs, one, **options) for one in chosen]
    return [None if grads[0] is None else torch.stack(grads) for grads in zip(*each, strict=True)]


def _cannot_batch(error: RuntimeError) -> bool:
    """Whether an operation of the model has no batched backward pass, in the words of torch's vmap."""
    return str(error).startswith(("Batching rule not implemented", "vmap:"))
