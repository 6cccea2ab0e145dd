"""Networks of five convolutions, registered with timm as a user's own would be; their paddings say where cells lie.

Every convolution halves the map and blurs, so a bright pixel is answered by a bump around it on every level.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.models import _registry, build_model_with_cfg
from torch import Tensor, nn

WIDTH = 2
STAGES = 5
# Kind → one halving convolution from so many channels, and the centre of cell 0 of stride s.
KINDS: dict[str, tuple[Callable[[int], nn.Module], Callable[[int], float]]] = {
    "symmetric": (lambda chans: nn.Conv2d(chans, WIDTH, 3, stride=2, padding=1, bias=False), lambda s: 0.0),
    "tensorflow": (lambda chans: Conv2dSame(chans, WIDTH, 3, stride=2, bias=False), lambda s: s - 1.0),
    "patches": (lambda chans: nn.Conv2d(chans, WIDTH, 2, stride=2, bias=False), lambda s: (s - 1) / 2),
}


class Tiny(nn.Module):
    """Stages of strides 2 to 32; the weights of each convolution are a bump, alike for all channels."""

    def __init__(self, kind: str, in_chans: int = 3, num_classes: int = 0, **options: Any) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.feature_info = []
        make = KINDS[kind][0]
        for stage in range(STAGES):
            self.add_module(f"stage{stage}", make(in_chans if stage == 0 else WIDTH))
            self.feature_info.append({"num_chs": WIDTH, "reduction": 2 ** (stage + 1), "module": f"stage{stage}"})
        with torch.no_grad():
            for layer in self.children():
                bump = torch.tensor([1.0, 2.0, 1.0] if layer.kernel_size[0] == 3 else [1.0, 1.0])
                bump = bump / bump.sum()
                layer.weight.copy_((bump[:, None] * bump / layer.in_channels).expand_as(layer.weight))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x


def _entry_point(kind: str) -> Callable[..., nn.Module]:
    def create(pretrained: bool = False, **options: Any) -> nn.Module:
        cfg = {"input_size": (3, 64, 64), "mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bilinear"}
        cfg |= {"num_classes": 0, "first_conv": "stage0", "classifier": None}
        return build_model_with_cfg(
            lambda **kwargs: Tiny(kind, **kwargs),
            f"tinynet_{kind}",
            pretrained,
            pretrained_cfg=options.pop("pretrained_cfg", None) or cfg,
            feature_cfg={"out_indices": tuple(range(STAGES)), "flatten_sequential": True},
            **options,
        )

    create.__name__ = create.__qualname__ = f"tinynet_{kind}"
    create.__module__ = __name__
    return create


ENTRY_POINTS = {f"tinynet_{kind}": _entry_point(kind) for kind in KINDS}


@pytest.fixture(autouse=True)
def known_to_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks in timm's registry, for as long as a test of a module that imports this lasts."""
    for name, entry_point in ENTRY_POINTS.items():
        monkeypatch.setitem(_registry._model_entrypoints, name, entry_point)
        monkeypatch.setitem(_registry._model_to_module, name, __name__)
    monkeypatch.setitem(_registry._module_to_models, __name__, set(ENTRY_POINTS))
