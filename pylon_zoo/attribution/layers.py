"""Which layer an attribution looks at: the one somebody named, or the last that still sees the image as a map."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pylon_zoo.attribution.layout import Layout, hints_of, recognise
from pylon_zoo.cells import both
from pylon_zoo.errors import ConfigError, UnknownNameError, suggest
from pylon_zoo.models.contract import HeatmapClassifier

LayerLike = str | nn.Module
Layers = dict[str, nn.Module]


def find_layers(model: nn.Module, layer: LayerLike | Sequence[LayerLike]) -> Layers:
    """The layers somebody named, under their dotted names.

    Args:
        model: the model they are in.
        layer: a dotted name as in `model.named_modules()`, a module of the model, or several of either. In timm,
            `[info["module"] for info in model.feature_info]` are the ends of the stages, fine to coarse.

    Raises:
        UnknownNameError: no module has that name; names the nearest.
        ConfigError: a module that is not part of the model, one that is given twice, or none at all.

    Example:
        >>> find_layers(nn.Sequential(nn.ReLU(), nn.Flatten()), "0")
        {'0': ReLU()}
    """
    wanted = [layer] if isinstance(layer, LayerLike) or not isinstance(layer, Sequence) else list(layer)
    modules = dict(model.named_modules(remove_duplicate=False))
    found: Layers = {}
    for each in wanted:
        name = _name_of(each, modules)
        if any(modules[name] is module for module in found.values()):
            raise ConfigError(f"Layer {name!r} is given twice; give each layer once.")
        found[name] = modules[name]
    if not found:
        raise ConfigError("layer=[] names no layer; give at least one, or None for the default.")
    return found


def _name_of(layer: Any, modules: Layers) -> str:
    if isinstance(layer, str):
        if layer not in modules:
            raise UnknownNameError(
                f"The model has no layer {layer!r}.{suggest(layer, modules)} model.named_modules() lists all."
            )
        return layer
    names = [name for name, module in modules.items() if module is layer]
    if not names:
        raise ConfigError(
            f"layer={_shown(layer)} is not part of the model; give one of its modules, or the name of one as in "
            "model.named_modules()."
        )
    return names[0]


def _shown(layer: Any) -> str:
    return f"{type(layer).__name__} module" if isinstance(layer, nn.Module) else repr(layer)


def default_layer(model: nn.Module, images: Tensor) -> Layers:
    """The layer to look at when nobody named one.

    For models of this library, `features`. For others, the last to run, and to run once, whose output is a map of the
    image with at least two cells and two channels, in any layout; containers run after what they contain, and what runs
    inside an attention (queries, keys) is not considered. Where that map is tokens with a class token among them, the
    last such layer before the last attention instead (in timm `blocks.N.norm1`): behind that attention only the class
    token matters, and no gradient reaches the map.

    Args:
        model: in evaluation mode; it runs once, on the first image, unless it is of this library.
        images: (N, C, H, W).

    Raises:
        ConfigError: no layer's output is a map.

    Example:
        >>> list(default_layer(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten()), torch.zeros(1, 3, 8, 8)))
        ['1']
    """
    if isinstance(model, HeatmapClassifier):
        return {"features": model.features}
    trace = _Trace(model, images)
    last = trace.last_map()
    if last is not None and trace.maps[last].prefix:
        last = trace.last_map(before_attention=True) or last
    if last is None:
        raise ConfigError(
            f"No layer of {type(model).__name__} gives a map of more than one cell for images of {images.shape[2]}×"
            f"{images.shape[3]} pixels; give layer=, or larger images."
        )
    return {last: model.get_submodule(last)}


class _Trace:
    """What the layers of a model gave for the first of the images.

    Attributes:
        order: names of modules in the order in which they returned.
        maps: those whose output is a map.
        before_attention: how many had returned when the last attention began.
    """

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        self.order: list[str] = []
        self.maps: dict[str, Layout] = {}
        self.before_attention = 0
        self._hints = hints_of(model)
        self._size = both(images.shape[2:])
        handles = []
        inside: set[nn.Module] = set()
        for name, module in model.named_modules():
            if module in inside:
                continue
            handles.append(module.register_forward_hook(self._returned(name)))
            if re.search("attention|attn", type(module).__name__.lower()):
                handles.append(module.register_forward_pre_hook(self._attention_begins))
                inside.update(module.modules())
        try:
            with torch.no_grad():
                model(images[:1])
        finally:
            for handle in handles:
                handle.remove()

    def _attention_begins(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        self.before_attention = len(self.order)

    def _returned(self, name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            self.order.append(name)
            if not isinstance(output, Tensor) or output.shape[:1] != (1,):
                return
            layout = recognise(output.shape, self._size, self._hints)
            if layout is not None and layout.height * layout.width > 1 and layout.to_map(output).shape[1] > 1:
                self.maps[name] = layout

        return hook

    def last_map(self, before_attention: bool = False) -> str | None:
        """The last module to return a map, of those that ran once."""
        order = self.order[: self.before_attention] if before_attention else self.order
        return next((name for name in reversed(order) if name in self.maps and self.order.count(name) == 1), None)
