"""Datasets by name: `"NAME[:DIR]"` → an open split."""

from __future__ import annotations

import gc
import inspect
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pylon_zoo.errors import ConfigError, DataError, UnknownNameError, suggest

if TYPE_CHECKING:
    from pylon_zoo.data.dataset import LabelledDataset, SampleTransform


class DatasetEntry(NamedTuple):
    """A line of the table of datasets.

    Args:
        opener: `"module:Class"`, imported when asked for; called as `Class([DIR,] split, transform=…, **options)`.
        needs_dir: whether the files are the user's, and the name needs `:DIR`.
        options: keyword options that the class takes besides `transform`.
        local: whether DIR must be a folder here; else it may be the name of something elsewhere.
    """

    opener: str
    needs_dir: bool
    options: tuple[str, ...]
    local: bool = True


_DRAWN = ("size", "count", "seed", "cache")
_PHANTOM = DatasetEntry("pylon_zoo.data.phantom:PhantomCxr", needs_dir=False, options=_DRAWN)
_VOC = DatasetEntry("pylon_zoo.data.voc:PascalVoc", needs_dir=True, options=("year", "difficult", "background"))
DATASETS = {
    "phantom": _PHANTOM,
    "phantom_cxr": _PHANTOM,
    "cluttered_digits": DatasetEntry(
        "pylon_zoo.data.cluttered_digits:ClutteredDigits", needs_dir=False, options=_DRAWN
    ),
    "nih_cxr14": DatasetEntry("pylon_zoo.data.nih:NihChestXray14", needs_dir=True, options=("val_fraction",)),
    "pascal_voc": _VOC,
    "voc": _VOC,
    "vindr_cxr": DatasetEntry(
        "pylon_zoo.data.vindr:VinDrCxr", needs_dir=True, options=("no_finding", "labels", "boxes")
    ),
    "csv": DatasetEntry(
        "pylon_zoo.data.csv_table:CsvDataset", needs_dir=True, options=("classes", "uncertain", "channels")
    ),
    "webdataset": DatasetEntry(
        "pylon_zoo.data.webdataset:WebDataset", needs_dir=True, options=("classes", "uncertain", "channels")
    ),
    "voc_xml": DatasetEntry(
        "pylon_zoo.data.voc_xml:VocXml",
        needs_dir=True,
        options=("classes", "difficult", "negatives", "channels"),
    ),
    "folders": DatasetEntry(
        "pylon_zoo.data.class_folders:ClassFolders",
        needs_dir=True,
        options=("normal", "merged", "masks", "channels"),
    ),
    "mvtec_ad": DatasetEntry("pylon_zoo.data.mvtec:MvtecAd", needs_dir=True, options=("official", "merged", "masks")),
    "hf": DatasetEntry(
        "pylon_zoo.data.hugging_face:HuggingFace",
        needs_dir=True,
        options=("image", "labels", "normal", "patient", "config", "channels"),
        local=False,
    ),
    "visa": DatasetEntry(
        "pylon_zoo.data.visa:Visa", needs_dir=True, options=("thing", "setup", "val_fraction", "masks")
    ),
    "chexpert": DatasetEntry(
        "pylon_zoo.data.chexpert:CheXpert", needs_dir=True, options=("uncertain", "blank", "views")
    ),
    "mimic_cxr": DatasetEntry(
        "pylon_zoo.data.mimic_cxr:MimicCxr", needs_dir=True, options=("uncertain", "blank", "views", "boxed")
    ),
    "rsna_pneumonia": DatasetEntry("pylon_zoo.data.rsna_pneumonia:RsnaPneumonia", needs_dir=True, options=()),
    "siim_pneumothorax": DatasetEntry(
        "pylon_zoo.data.siim_pneumothorax:SiimPneumothorax", needs_dir=True, options=("masks",)
    ),
    "padchest": DatasetEntry(
        "pylon_zoo.data.padchest:PadChest", needs_dir=True, options=("classes", "least", "projections", "manual")
    ),
    "jsrt": DatasetEntry("pylon_zoo.data.jsrt:Jsrt", needs_dir=True, options=()),
    "cub": DatasetEntry("pylon_zoo.data.wsol:CubBirds", needs_dir=True, options=()),
    "openimages30k": DatasetEntry("pylon_zoo.data.wsol:OpenImages30k", needs_dir=True, options=("masks",)),
    "coco": DatasetEntry("pylon_zoo.data.coco:CocoDetection", needs_dir=True, options=("channels",)),
    "chexlocalize": DatasetEntry("pylon_zoo.data.chexlocalize:CheXlocalize", needs_dir=True, options=("masks",)),
    "chestx_det": DatasetEntry(
        "pylon_zoo.data.chestx_det:ChestXDet", needs_dir=True, options=("val_fraction", "masks")
    ),
}
"""Name, as `--data` takes it with dashes for underscores → the class that reads it, and its options."""
SPLITS = ("train", "val", "test")
KINDS: dict[type, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}
KIND_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def parse_data_spec(spec: str) -> tuple[str, Path | None]:
    """`"NAME[:DIR]"` → the name as in `DATASETS`, and the folder.

    Args:
        spec: dashes and underscores are one; a leading `~` of DIR is the home folder.

    Returns:
        The canonical name and the folder, None for datasets without one. Whether it exists is not looked at.

    Raises:
        UnknownNameError: no such dataset; suggests the nearest.
        ConfigError: a folder is missing, or given to a dataset that has none.

    Example:
        >>> parse_data_spec("nih-cxr14:/data/nih")
        ('nih_cxr14', PosixPath('/data/nih'))
    """
    written, _, folder = spec.partition(":")
    name = written.replace("-", "_")
    if name not in DATASETS:
        known = [shown_spec(one) for one in DATASETS]
        raise UnknownNameError(f"Unknown dataset '{written}': one of {', '.join(known)}.{suggest(written, known)}")
    if DATASETS[name].needs_dir and not folder:
        raise ConfigError(f"The dataset '{written}' needs its folder: write '{shown_spec(name)}'.")
    if folder and not DATASETS[name].needs_dir:
        raise ConfigError(f"The dataset '{written}' has no folder: write '{written}' without ':{folder}'.")
    return name, Path(folder).expanduser() if folder else None


def dataset_of(spec: str) -> DatasetEntry | str:
    """What `"NAME[:DIR]"` stands for, wherever its folder is: two names may stand for one dataset.

    Args:
        spec: as for `parse_data_spec`, but nothing of it is checked.

    Returns:
        The line of the table; for a name that is not in it, the name.

    Example:
        >>> dataset_of("phantom") is dataset_of("phantom-cxr")
        True
    """
    plain = spec.partition(":")[0].replace("-", "_")
    return DATASETS.get(plain, plain)


def open_dataset(spec: str, split: str, *, transform: SampleTransform | None = None, **options: Any) -> LabelledDataset:
    """One split of a dataset, by name.

    Args:
        spec: `"phantom"`, `"nih-cxr14:DIR"`, … (`DATASETS`).
        split: `"train"`, `"val"` or `"test"`.
        transform: `Sample -> Sample`, such as `EvalTransform`.
        **options: what the dataset takes besides.

    Returns:
        The open split; images are read when they are asked for.

    Raises:
        UnknownNameError: no such dataset or split.
        ConfigError: a folder or option that the dataset does not take, or lacks; or an option of another kind.
        DataError: the folder does not exist, or does not hold what it must.

    Example:
        >>> open_dataset("phantom", "test", size=64, count=4)[0].image.shape
        torch.Size([1, 64, 64])
    """
    name, folder = parse_data_spec(spec)
    entry = DATASETS[name]
    if split not in SPLITS:
        raise UnknownNameError(f"Unknown split '{split}': one of {', '.join(SPLITS)}.{suggest(split, SPLITS)}")
    for option in options:
        if option not in entry.options:
            raise ConfigError(
                f"The dataset '{spec}' has no option '{option}': it takes {', '.join(entry.options) or 'none'}."
                f"{suggest(option, entry.options)}"
            )
    if folder is not None and entry.local and not folder.is_dir():
        raise DataError(f"The folder '{folder}' of dataset '{spec}' does not exist: check the path after the colon.")
    module, _, attribute = entry.opener.partition(":")
    opener = getattr(import_module(module), attribute)
    _check_kinds(spec, opener, options)
    where = () if folder is None else (folder,)
    with _collector_at_rest():
        opened: LabelledDataset = opener(*where, split, transform=transform, **options)
    return opened


def parse_data_options(texts: Iterable[str]) -> dict[str, Any]:
    """`"key=value"` as options of `open_dataset`.

    Args:
        texts: values are TOML (a number, true, false, "text", [1, 2]); what is none of it is text as it stands. Later
            ones win.

    Raises:
        ConfigError: a text without a key or without `=`.

    Example:
        >>> parse_data_options(["masks=false", "val_fraction=0.2", "classes=Mass,Nodule"])
        {'masks': False, 'val_fraction': 0.2, 'classes': 'Mass,Nodule'}
    """
    options: dict[str, Any] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key.isidentifier():
            raise ConfigError(f"--data-option {text!r} is not of the form key=value, for example masks=false.")
        try:
            options[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[key] = value
    return options


def drawing_options(spec: str, size: int) -> dict[str, Any]:
    """Options that make a dataset draw its images at a model's size, so that nothing is resampled.

    Args:
        spec: as for `open_dataset`.
        size: side in pixels.

    Returns:
        `{"size": size}` for a dataset that is drawn, nothing for one on disk.

    Example:
        >>> drawing_options("phantom", 192), drawing_options("nih-cxr14:DIR", 192)
        ({'size': 192}, {})
    """
    name, _ = parse_data_spec(spec)
    return {"size": size} if "size" in DATASETS[name].options else {}


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Tables make many objects and no garbage: the collector would look through all of them again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _check_kinds(spec: str, opener: Any, options: Mapping[str, Any]) -> None:
    """Refuse values of another kind than the option's default; where that is None, the dataset itself decides."""
    parameters = inspect.signature(opener).parameters
    for option, value in options.items():
        wanted = type(parameters[option].default)
        if wanted in KINDS and not (isinstance(value, KINDS[wanted]) and isinstance(value, bool) == (wanted is bool)):
            raise ConfigError(f"The option {option}={value!r} of the dataset '{spec}' must be {KIND_NAMES[wanted]}.")


def shown_name(name: str) -> str:
    """A dataset's name as the documentation writes it.

    Example:
        >>> shown_name("nih_cxr14")
        'nih-cxr14'
    """
    return name.replace("_", "-")


def shown_spec(name: str) -> str:
    """What `--data` takes for a dataset, as the documentation writes it.

    Args:
        name: a key of `DATASETS`.

    Example:
        >>> shown_spec("nih_cxr14"), shown_spec("phantom")
        ('nih-cxr14:DIR', 'phantom')
    """
    return shown_name(name) + (":DIR" if DATASETS[name].needs_dir else "")
