"""What timm hands to an entry point, its `pretrained_cfg`, as weights of ours: described, verified, never pickles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from timm.models import PretrainedCfg, resolve_pretrained_cfg
from torch import Tensor

from pylon_zoo.errors import ConfigError
from pylon_zoo.weights import manifest
from pylon_zoo.weights.checkpoint import parse_config, parse_weights, tuples
from pylon_zoo.weights.entry import Entry
from pylon_zoo.weights.file_names import CONFIG_FILE, WEIGHTS_FILE
from pylon_zoo.weights.hub import HUB
from pylon_zoo.weights.integrity import read_bytes
from pylon_zoo.weights.loading import address_source, entry_source, folder_source
from pylon_zoo.weights.planned import planned_error
from pylon_zoo.weights.timm_cfg import entry_cfg, location

LOCATIONS = ("state_dict", "file", "hf_hub_id", "url")  # fields of a PretrainedCfg, the first that is set counts


@dataclass(frozen=True)
class TimmSource:
    """A set of weights, or of none, as timm was asked for it.

    Attributes:
        cfg: timm's description, with the place of the weights where it is known; fields that are None are left out.
        model_args: the options that build the network of these weights.
        entry: the manifest's, where the weights are one of its.
    """

    cfg: Mapping[str, Any]
    model_args: Mapping[str, Any]
    entry: Entry | None = None

    @property
    def where(self) -> str:
        """What to call the weights in errors."""
        if self.entry is not None:
            return self.entry.name
        field = next((field for field in LOCATIONS if self.cfg.get(field)), "")
        return field if field in ("state_dict", "") else str(self.cfg[field])

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """Names of the classes, where they are known one by one."""
        names = self.cfg.get("label_names")
        return names if isinstance(names, tuple) else None

    def read(self, cache_dir: str | Path | None = None) -> dict[str, Tensor]:
        """The weights' tensors.

        Args:
            cache_dir: None, because the Hub's own cache is used.

        Raises:
            ConfigError: nothing says where weights are, or another cache is wanted.
            WeightsError: they cannot be had, are not what was published, or no safetensors.
        """
        if self.entry is not None:
            return parse_weights(entry_source(self.entry).read(WEIGHTS_FILE), self.where)
        if self.cfg.get("state_dict"):
            return dict(self.cfg["state_dict"])
        if self.cfg.get("file"):
            path = Path(self.cfg["file"])
            path = path / WEIGHTS_FILE if path.is_dir() else path
            return parse_weights(read_bytes(path), path)
        if self.cfg.get("hf_hub_id"):
            return _from_hub(self.cfg["hf_hub_id"], cache_dir)
        raise ConfigError(
            f"{self.where or 'pretrained_cfg'} names no weights that can be loaded: give a tag, 'hf-hub:org/name', "
            "'local-dir:PATH', or pretrained_cfg_overlay={'file': PATH} of a safetensors file."
        )

    def description(self) -> Mapping[str, Any]:
        """The `config.json` beside the weights, with what timm does not hand on; empty where there is none.

        Raises:
            WeightsError: it cannot be had, or is none.
        """
        if self.entry is not None:
            source = entry_source(self.entry)
        elif self.cfg.get("state_dict"):
            return {}
        elif self.cfg.get("file"):
            file = Path(self.cfg["file"])
            folder = file if file.is_dir() else file.parent
            if not (folder / CONFIG_FILE).is_file():
                return {}
            source = folder_source(folder)
        else:
            source = address_source(f"{HUB}{self.cfg['hf_hub_id']}")
        return parse_config(source.read(CONFIG_FILE), f"{CONFIG_FILE} of {source.place}")


def find_source(
    architecture: str,
    pretrained: bool | str = False,
    cfg: str | Mapping[str, Any] | PretrainedCfg | None = None,
    overlay: Mapping[str, Any] | None = None,
    model_args: Mapping[str, Any] | None = None,
) -> TimmSource:
    """Which weights are meant by the arguments of a timm entry point.

    Args:
        architecture: `pylon_resnet50`.
        pretrained: whether weights are wanted; a tag is taken too.
        cfg: a tag, a description, or None.
        overlay: fields in place of the description's.
        model_args: the options that a `config.json` holds.

    Raises:
        UnknownNameError: no such tag, or no weights for that architecture.
        WeightsError: the manifest's weights cannot be had.

    Example:
        >>> find_source("pylon_test_resnet").cfg["num_classes"]
        1000
        >>> find_source("pylon_resnet18", True).cfg["input_size"]
        (1, 192, 192)
    """
    overlay = dict(overlay or {})
    if cfg is None and isinstance(pretrained, str):
        cfg = pretrained
    elsewhere = any(overlay.get(field) for field in LOCATIONS)
    entry = _entry_meant(architecture, bool(pretrained) and not elsewhere, cfg)
    if entry is not None:
        description, model_args = _entry_description(entry)
        description = replace(description, **overlay)
    else:
        given = vars(cfg) if isinstance(cfg, PretrainedCfg) else cfg
        described = given if given is None or isinstance(given, str) else dict(given)
        description = resolve_pretrained_cfg(architecture, described, overlay)
    fields = {name: value for name, value in vars(description).items() if value is not None}
    return TimmSource(tuples(fields), model_args or {}, None if elsewhere else entry)


def _entry_meant(
    architecture: str, pretrained: bool, cfg: str | Mapping[str, Any] | PretrainedCfg | None
) -> Entry | None:
    if isinstance(cfg, str):
        return _available(architecture, cfg) if pretrained else manifest.find(architecture, cfg)
    if not pretrained:
        return None
    given = vars(cfg) if isinstance(cfg, PretrainedCfg) else cfg or {}
    # A registered description, handed back as timm's scripts do, is its tag: so is one that names no place at all.
    if given.get("source") or (not _is_registered(given) and any(given.get(field) for field in LOCATIONS)):
        return None
    return _available(architecture, given.get("tag") or True)


def _is_registered(given: Mapping[str, Any]) -> bool:
    entry = manifest.load_manifest().get(f"{given.get('architecture')}.{given.get('tag')}")
    return entry is not None and all(given.get(field) == value for field, value in location(entry).items())


def _entry_description(entry: Entry) -> tuple[PretrainedCfg, Mapping[str, Any]]:
    cfg = entry_cfg(entry)
    model_args: Mapping[str, Any] = {}
    if entry.available:
        config = parse_config(entry_source(entry).read(CONFIG_FILE), entry.name)
        cfg |= tuples(config["pretrained_cfg"]) | {"num_classes": config["num_classes"]}
        model_args = config.get("model_args") or {}
    return PretrainedCfg(**cfg), model_args


def _available(architecture: str, which: str | Literal[True]) -> Entry:
    entry = manifest.find(architecture, which)
    if not entry.available:
        raise planned_error(entry)
    return entry


def _from_hub(hub_id: str, cache_dir: str | Path | None) -> dict[str, Tensor]:
    if cache_dir is not None:
        raise ConfigError(
            f"cache_dir={str(cache_dir)!r}: pylon_zoo keeps what it downloads in the Hub's own cache. Leave cache_dir "
            "out, and set the environment variable HF_HUB_CACHE to move it."
        )
    # Never another file: timm would take an outage for a missing one and go on to the pickle.
    source = address_source(f"{HUB}{hub_id}")
    return parse_weights(source.read(WEIGHTS_FILE), f"{WEIGHTS_FILE} of {source.place}")
