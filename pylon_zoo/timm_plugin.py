"""The same models in timm's registry: beside `import pylon_zoo`, timm knows `pylon_<architecture>` for all its own.

`timm.create_model` and `timm.list_models` take these names like any other, with the tags of our manifest, and so do
`"hf-hub:org/name"` and `"local-dir:PATH"`; `pylon_zoo.timm_models` says what differs from timm's own models.

Whichever of the two packages is imported first, `register` is called when both are there, from within the import of
`timm.models`. So nothing here may import timm, or what imports it, before a function is called.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pylon_zoo.errors import PylonZooError
from pylon_zoo.models.names import list_backbones
from pylon_zoo.weights import manifest
from pylon_zoo.weights.entry import Entry
from pylon_zoo.weights.timm_cfg import entry_cfg, location

if TYPE_CHECKING:
    from timm.models import DefaultCfg, PretrainedCfg

    from pylon_zoo.models.contract import HeatmapClassifier

__all__: list[str] = []  # timm appends what it registers

METHOD = "pylon"
default_cfgs: dict[str, DefaultCfg] = {}
"""What timm reads the descriptions of a name from, because the functions it registers are of this module."""


def register() -> None:
    """Tell timm every name that it does not know yet. It must have been imported.

    Example:
        >>> import timm
        >>> register()
        >>> timm.is_model("pylon_resnet50")
        True
    """
    from timm.models import is_model, register_model

    missing = [backbone for backbone in list_backbones() if not is_model(f"{METHOD}_{backbone}")]
    described = describe_architectures(missing) if missing else {}
    default_cfgs.update(described)
    for name in described:
        globals()[name] = register_model(_entry_point(name))


def describe_architectures(backbones: Iterable[str]) -> dict[str, DefaultCfg]:
    """timm's descriptions of names: the bare architecture, and each tag of the package's own manifest.

    Args:
        backbones: timm's architectures.

    Returns:
        `pylon_<backbone>` → its description.
    """
    from timm.models import generate_default_cfgs

    cfgs: dict[str, dict[str, Any] | PretrainedCfg] = {}
    for backbone in backbones:
        encoder = _encoder_cfg(backbone)
        if encoder is None:  # somebody's own, registered without a description; create_pylon takes it
            continue
        cfgs[f"{METHOD}_{backbone}"] = {
            "input_size": encoder.input_size,
            "fixed_input_size": encoder.fixed_input_size,
            "interpolation": encoder.interpolation,
            "mean": encoder.mean,
            "std": encoder.std,
            "crop_pct": 1.0,
            "crop_mode": "squash",
            "classifier": "head",
        }
    for name, entry in _manifest().items():
        if entry.architecture in cfgs:
            cfgs[name] = {**entry_cfg(entry), **location(entry), "classifier": "head"}
    described: dict[str, DefaultCfg] = generate_default_cfgs(cfgs)
    for cfg in described.values():
        # timm puts weights first. With them the name alone would take their channels, and change with the manifest.
        cfg.tags = deque(sorted(cfg.tags, key=bool))
    return described


def _encoder_cfg(backbone: str) -> PretrainedCfg | None:
    from timm.models import DefaultCfg, get_pretrained_cfg, model_entrypoint

    # Where timm registered it from: timm.get_pretrained_cfg copies deeply, a third of what registering costs.
    registered = getattr(sys.modules[model_entrypoint(backbone).__module__], "default_cfgs", {}).get(backbone)
    return registered.default if isinstance(registered, DefaultCfg) else get_pretrained_cfg(backbone)


def _manifest() -> Mapping[str, Entry]:
    try:
        return manifest.read_once(manifest.manifest_path())
    except PylonZooError:
        return {}  # whoever asks for weights gets this error; registering the names needs none


def _entry_point(architecture: str) -> Callable[..., HeatmapClassifier]:
    def create(pretrained: bool = False, **options: Any) -> HeatmapClassifier:
        from pylon_zoo.timm_models import build

        return build(architecture, pretrained, **options)

    create.__name__ = create.__qualname__ = architecture
    create.__doc__ = f"PYLON on timm's {architecture.removeprefix(METHOD + '_')}; see `timm_models.build` for options."
    return create
