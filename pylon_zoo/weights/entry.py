"""One entry of the manifest: its fields, and what each of them must be.

`weights_manifest.schema.json` says the same for other tools, and a test keeps the two agreed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

from pylon_zoo.errors import WeightsError, suggest
from pylon_zoo.weights.file_names import CONFIG_FILE, GOLDEN_FILE, WEIGHTS_FILE
from pylon_zoo.weights.hub import COMMIT, REPO, SHA256
from pylon_zoo.weights.integrity import FileRecord

NOT_STATED = "not stated"
STATED = ("recipe", "training_data", "split_hash", "weights_licence", "aliases")
"""Fields that no file knows, and somebody must say."""
CHECKPOINT_FILES = {CONFIG_FILE, WEIGHTS_FILE}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One set of weights.

    Attributes:
        name: `<architecture>.<tag>`.
        source: `"bundled"` (in the package), `"hub"` (a repository of the Hub) or `"planned"` (nobody trained it yet).
        aliases: further tags for the same weights.
        path: of bundled weights, the checkpoint folder, relative to this package's `weights` folder.
        repo, revision: of the Hub's weights, `org/name` and the commit's 40 hexadecimal digits.
        files: name → what the file must be; the checkpoint's two and, where there is one, `golden.safetensors`.
        num_classes, label_names, in_chans: what the model tells apart, in images of how many channels.
        input_size, mean, std, interpolation: how its input is made, as in timm: (C, H, W), per channel of [0, 1].
        input_range: least and greatest value of a pixel before mean and standard deviation.
        code_licence, weights_licence: SPDX names.
        training_data: what the weights saw.
        split_hash: of the images they were trained on, see `pylon_zoo.data.splits.split_hash`.
        recipe: the shipped recipe that trains them, or a sentence that says why there is none.
        metrics: what they score: `command` is how that was measured, the rest as `pylon-zoo evaluate` writes it.
        authors_file: the same weights in the authors' release, for `import_official`.

    Example:
        >>> from pylon_zoo.weights.manifest import find
        >>> find("pylon_resnet18", "phantom_cxr").input_size
        (1, 192, 192)
    """

    name: str
    source: str
    num_classes: int
    label_names: tuple[str, ...]
    in_chans: int
    input_size: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    aliases: tuple[str, ...] = ()
    path: str | None = None
    repo: str | None = None
    revision: str | None = None
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    input_range: tuple[float, float] = (0.0, 1.0)
    code_licence: str = NOT_STATED
    weights_licence: str = NOT_STATED
    training_data: str = NOT_STATED
    split_hash: str = NOT_STATED
    recipe: str = NOT_STATED
    metrics: Mapping[str, Any] = field(default_factory=dict)
    authors_file: str | None = None

    @property
    def architecture(self) -> str:
        """The model name the weights are for, `pylon_resnet50`."""
        return self.name.partition(".")[0]

    @property
    def tag(self) -> str:
        """What tells these weights from others of the architecture."""
        return self.name.partition(".")[2]

    @property
    def available(self) -> bool:
        """Whether anybody has trained them, so that they can be loaded."""
        return self.source != "planned"

    @property
    def bytes(self) -> int:
        """Size of the weights' file; 0 where there is none."""
        return self.files[WEIGHTS_FILE].bytes if self.files else 0

    @property
    def sha256(self) -> str:
        """Hash of the weights' file; empty where there is none."""
        return self.files[WEIGHTS_FILE].sha256 if self.files else ""


# Source → the fields without which the weights could not be found.
SOURCES: dict[str, tuple[str, ...]] = {
    "bundled": ("path", "files"),
    "hub": ("repo", "revision", "files"),
    "planned": (),
}
NEEDED = tuple(f.name for f in fields(Entry) if f.default is MISSING and f.default_factory is MISSING)


def parse_entry(name: str, values: Any, source: Path | str) -> Entry:
    """One entry of a manifest.

    Args:
        name: its key.
        values: its value, as JSON.
        source: the manifest, for errors.

    Raises:
        WeightsError: a field is missing, unknown, or cannot be right; names file, entry and field.
    """
    where = f"{source}: entry {name!r}"
    if not isinstance(values, dict):
        raise WeightsError(f"{where} is no JSON object.")
    values = {**values, "name": name}
    for key in values:
        if key not in CHECKS:
            raise WeightsError(f"{where} has an unknown field {key!r}.{suggest(key, CHECKS)}")
    needed = NEEDED + SOURCES.get(str(values.get("source")), ())
    if missing := [key for key in needed if key not in values]:
        raise WeightsError(f"{where} lacks {', '.join(missing)}.")
    for key, value in values.items():
        valid, must = CHECKS[key]
        if not valid(value):
            raise WeightsError(f"{where}: {key} is {value!r}, but must be {must}.")
    for key, count in (("label_names", "num_classes"), ("mean", "in_chans"), ("std", "in_chans")):
        if len(values[key]) != values[count]:
            raise WeightsError(f"{where} has {len(values[key])} values of {key}, but {count} is {values[count]}.")
    if values["input_size"][0] != values["in_chans"]:
        raise WeightsError(f"{where}: input_size is {values['input_size']}, but in_chans is {values['in_chans']}.")
    files = {file: FileRecord(**record) for file, record in values.pop("files", {}).items()}
    parsed: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return Entry(files=files, **parsed)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _list_of(valid: Callable[[Any], bool], length: int | None = None) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and length in (None, len(value)) and all(map(valid, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_inside(value: Any) -> bool:
    """A relative path that stays below where it starts on any system: `C:` and `..\\` lead out of it on some."""
    if not _is_text(value) or set(value) & {"\\", ":"}:
        return False
    return not PurePosixPath(value).is_absolute() and ".." not in PurePosixPath(value).parts


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


def _is_record(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"bytes", "sha256"}
        and _is_count(value["bytes"])
        and _matches(SHA256)(value["sha256"])
    )


def _are_files(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and CHECKPOINT_FILES <= value.keys() <= CHECKPOINT_FILES | {GOLDEN_FILE}
        and all(map(_is_record, value.values()))
    )


TEXT = (_is_text, "text")
NUMBERS = (_list_of(_is_number), "a list of numbers")
# Field → whether a JSON value can be right, and what it must be.
CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (_matches(r"[a-z0-9]+_[^.]+\.[^.]\S*"), "'<method>_<timm architecture>.<tag>'"),
    "source": (lambda value: isinstance(value, str) and value in SOURCES, f"one of {', '.join(SOURCES)}"),
    "num_classes": (_is_count, "a number from 1 up"),
    "label_names": (_list_of(_is_text), "a list of names"),
    "in_chans": (_is_count, "a number from 1 up"),
    "input_size": (_list_of(_is_count, length=3), "[channels, height, width]"),
    "mean": NUMBERS,
    "std": NUMBERS,
    "interpolation": TEXT,
    "aliases": (_list_of(_is_text), "a list of tags"),
    "path": (_is_inside, "a path inside the package"),
    "repo": (_matches(REPO), "'org/name'"),
    "revision": (_matches(COMMIT), "40 hexadecimal digits"),
    "files": (
        _are_files,
        f"bytes and sha256 (64 hexadecimal digits) of {CONFIG_FILE}, of {WEIGHTS_FILE} and, if there is one, of "
        f"{GOLDEN_FILE}",
    ),
    "input_range": (_list_of(_is_number, length=2), "[least, greatest]"),
    "code_licence": TEXT,
    "weights_licence": TEXT,
    "training_data": TEXT,
    "split_hash": (_matches(f"{SHA256}|{NOT_STATED}"), f"64 hexadecimal digits, or {NOT_STATED!r}"),
    "recipe": TEXT,
    "metrics": (lambda value: isinstance(value, dict), "an object"),
    "authors_file": TEXT,
}
