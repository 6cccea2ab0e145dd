"""timm's names of architectures and of their weights, without the models that this package adds to timm's registry."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from pylon_zoo.errors import ConfigError, UnknownNameError, suggest
from pylon_zoo.models.timm_files import TimmNames, read_timm

OWN_PACKAGE = __name__.partition(".")[0]


def architectures() -> Mapping[str, str]:
    """Every backbone → the timm file it is defined in, in any order; timm need not be imported for this.

    Example:
        >>> architectures()["resnet50"]
        'resnet'
    """
    names = _unimported()
    return names.architectures if names is not None else {name: timm_module(name) for name in list_backbones()}


def check_architecture(arch: str) -> None:
    """Refuse what is no architecture of timm's; timm need not be imported for this.

    Args:
        arch: a backbone's name, without a tag.

    Raises:
        UnknownNameError: names the nearest.
    """
    if not is_backbone(arch):
        raise UnknownNameError(
            f"Unknown backbone {arch!r}: timm {_timm_version()} has no such architecture."
            f"{suggest(arch, architectures())} timm.list_models() lists all."
        )


def timm_module(name: str) -> str:
    """The timm file an architecture is defined in: `"resnet50.tv_in1k"` → `"resnet"`."""
    from timm.models import model_entrypoint

    return model_entrypoint(name.partition(".")[0]).__module__.rpartition(".")[2]


def list_backbones(pattern: str = "") -> list[str]:
    """timm's architectures, without the models this package adds to timm's registry.

    Args:
        pattern: shell wildcard; empty for all.

    Example:
        >>> list_backbones("test_resnet*")
        ['test_resnet']
    """
    from timm.models import list_models

    return [name for name in list_models(pattern) if is_backbone(name)]


def is_backbone(arch: str) -> bool:
    """Whether timm has an architecture of that name that is not one of this package's own models."""
    names = _unimported()
    if names is not None:
        return arch in names.architectures or arch in names.deprecated
    from timm.models import is_model, model_entrypoint

    return is_model(arch) and model_entrypoint(arch).__module__.partition(".")[0] != OWN_PACKAGE


def resolve_backbone(name: str, pretrained: bool | str = False) -> str:
    """Check a backbone's name and tag, and put a tag given as `pretrained` behind the name.

    Raises:
        UnknownNameError: no such architecture or tag, or no weights where some were asked for.
        ConfigError: two different tags.
    """
    arch, _, tag = name.partition(".")
    check_architecture(arch)
    import timm

    if isinstance(pretrained, str):
        if tag and tag != pretrained:
            raise ConfigError(f"Two encoder tags: {tag!r} in the name {name!r}, {pretrained!r} in encoder_pretrained.")
        tag = pretrained
    full = f"{arch}.{tag}" if tag else arch
    known = [other.partition(".")[2] for other in timm.list_models(f"{arch}.*", pretrained=True)]
    if tag and tag not in known:
        raise UnknownNameError(
            f"timm has no weights {tag!r} for {arch!r}.{suggest(tag, known)} "
            f"Tags of {arch}: {', '.join(known) or 'none'}."
        )
    if pretrained and not timm.is_model_pretrained(full):
        raise UnknownNameError(f"timm has no pretrained weights for {arch!r}; leave encoder_pretrained out.")
    return full


def _unimported() -> TimmNames | None:
    """timm's own names where it has not been imported, as then nobody can have registered any other."""
    return None if "timm" in sys.modules else read_timm()


def _timm_version() -> str:
    names = _unimported()
    if names is not None:
        return names.version
    import timm

    return timm.__version__
