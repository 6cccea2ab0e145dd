"""Methods of the package pytorch-grad-cam, called like our own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pylon_zoo.attribution.base import Attribution, check_classes, check_images
from pylon_zoo.attribution.layers import LayerLike
from pylon_zoo.attribution.layout import LAYOUTS, hints_of, layout_of
from pylon_zoo.cells import CellGrid, both
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.layers import without_autocast
from pylon_zoo.models.modes import evaluating
from pylon_zoo.optional import require


class PytorchGradCam(Attribution):
    """A method of pytorch-grad-cam (`pip install "pylon-zoo[gradcam]"`), one class after the other.

    Its results are always rectified, scaled to each map's own minimum 0 and maximum 1, and resized to the images.

    Args:
        method: name of a class of `pytorch_grad_cam`, such as `"ScoreCAM"`.
        model, layer, layout: as for `Attribution`.
        layouts: those of `pylon_zoo.attribution.layout.LAYOUTS` that the method works on.
        per_class: False for methods that do not look at the class; they run once, for all.
        takes_layer: False for methods that look at layers of their own choice.

    Raises:
        MissingDependencyError: pytorch-grad-cam is not installed.
        UnknownNameError, ConfigError: as for `Attribution`, or a layer for a method that takes none.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveMaxPool2d(1), nn.Flatten())
        >>> PytorchGradCam("EigenCAM", model, "0", per_class=False)(torch.rand(2, 3, 8, 8), classes=[1]).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self,
        method: str,
        model: nn.Module,
        layer: LayerLike | Sequence[LayerLike] | None = None,
        *,
        layout: str | None = None,
        layouts: Sequence[str] = LAYOUTS,
        per_class: bool = True,
        takes_layer: bool = True,
    ) -> None:
        if layer is not None and not takes_layer:
            raise ConfigError(f"{method} looks at every layer with a bias; leave layer out.")
        self._package = require("pytorch_grad_cam", extra="gradcam")
        super().__init__(model, layer, relu=True, layout=layout)
        self.method = method
        self.layouts = layouts
        self.per_class = per_class
        self.takes_layer = takes_layer

    def with_logits(self, images: Tensor, classes: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """Logits (N, K) float32 and heatmaps (N, number of classes, H, W) float32 in [0, 1]."""
        images = check_images(images)
        # Out of autocast, because the package goes through NumPy, which has no bfloat16.
        with (
            torch.inference_mode(False),
            without_autocast(images.device.type),
            evaluating(self.model),
            _untouched(self.model),
        ):
            images = images.clone()  # one of the methods asks for the images' own gradient
            with torch.no_grad():
                logits = self.model(images).float()
            chosen = check_classes(classes, logits.shape[1])
            maps = [self._one(images, each) for each in (chosen if self.per_class else chosen[:1])]
        return logits, torch.stack(maps if self.per_class else maps * len(chosen), dim=1)

    def cell_grid(self, images: Tensor) -> CellGrid | None:
        """None: the package has resized its maps to the images already, as tiles of them."""
        return None

    def _one(self, images: Tensor, label: int) -> Tensor:
        layers = list(self.layers(images).items()) if self.takes_layer else []
        hints, size = hints_of(self.model), both(images.shape[2:])

        def as_map(output: Tensor) -> Tensor:
            name = layers[0][0]
            layout = layout_of(name, output.shape, size, hints, self.layout)
            if layout.name not in self.layouts:
                raise ConfigError(
                    f"{self.method} works on {' and '.join(self.layouts)} alone, but layer {name!r} gives "
                    f"{layout.name}; give another layer or use another method."
                )
            return layout.to_map(output)

        target = self._package.utils.model_targets.ClassifierOutputTarget(label)
        with torch.enable_grad():
            cam = getattr(self._package, self.method)(
                model=self.model,
                target_layers=[module for _, module in layers],
                reshape_transform=as_map if layers else None,
            )
            try:
                result = cam(images, [target] * len(images))
            finally:
                cam.activations_and_grads.release()
        return torch.from_numpy(result).float().to(images.device)


@contextmanager
def _untouched(model: nn.Module) -> Iterator[None]:
    """Afterwards parameters have the `.grad` and modules the children they had: the package changes both."""
    grads = [(parameter, parameter.grad) for parameter in model.parameters()]
    children: list[tuple[nn.Module, dict[str, Any]]] = [(module, dict(module._modules)) for module in model.modules()]
    try:
        yield
    finally:
        for parameter, grad in grads:
            parameter.grad = grad
        for module, original in children:
            module._modules.update(original)
