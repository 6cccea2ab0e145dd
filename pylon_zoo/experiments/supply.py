"""The data that runs take: the folders that were given, and smaller copies of those whose images are large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pylon_zoo.data.download import AGREEMENTS, RELEASES
from pylon_zoo.data.prepared import MANIFEST
from pylon_zoo.data.registry import DatasetEntry, dataset_of, parse_data_spec, shown_name, shown_spec
from pylon_zoo.training.recipe import Recipe

COPIES: dict[str, tuple[str, ...]] = {"nih_cxr14": (), "vindr_cxr": ("--dicom", "paper")}
"""Dataset whose images are much larger than what a network sees → further options of `pylon-zoo data prepare`."""
MARGIN = 64
"""Pixels by which a copy's shorter side exceeds the network's input, for crops to be made of."""


@dataclass(frozen=True)
class Supply:
    """What a recipe's `--data` is.

    Attributes:
        spec: `NAME[:DIR]` as it was given; with DIR in place of a folder that was not.
        copy: where its smaller copy goes; None where none is made.
        side: the copy's shorter side in pixels.
        needs: what is missing; empty where nothing is.

    Example:
        >>> from pylon_zoo.training.recipe_files import load_recipe
        >>> supply = supply_of(load_recipe("nih_cxr14_pylon_resnet50_256"), [], Path("runs"))
        >>> supply.used, supply.needs
        ('nih-cxr14:runs/prepared/nih_cxr14-320', '--data nih-cxr14:DIR (pylon-zoo data download nih-cxr14 DIR)')
    """

    spec: str
    copy: Path | None
    side: int
    needs: str

    @property
    def used(self) -> str:
        """`NAME[:DIR]` of what is trained and judged on."""
        return self.spec if self.copy is None else f"{shown_name(parse_data_spec(self.spec)[0])}:{self.copy.as_posix()}"

    def preparing(self) -> list[str]:
        """The words of the command that makes the copy; none where none is made."""
        if self.copy is None:
            return []
        options = COPIES[parse_data_spec(self.spec)[0]]
        return ["data", "prepare", self.spec, "--out", str(self.copy), "--size", str(self.side), *options]


def supply_of(recipe: Recipe, given: Sequence[str], folder: Path) -> Supply:
    """What a recipe is trained and judged on.

    Args:
        recipe: names the dataset, and the size of its input.
        given: `NAME:DIR` of datasets that are there.
        folder: copies go to `FOLDER/prepared`; of what was prepared already none is made.
    """
    wanted = dataset_of(recipe.data.name)
    side = recipe.data.size + MARGIN
    spec = next((one for one in given if dataset_of(one) == wanted), None)
    needs = ""
    if spec is None:
        name = recipe.data.name.partition(":")[0].replace("-", "_")
        missing = isinstance(wanted, DatasetEntry) and wanted.needs_dir and ":" not in recipe.data.name
        spec = shown_spec(name) if missing else recipe.data.name
        needs = f"--data {spec}{_download(name)}" if missing else ""
    name, root = parse_data_spec(spec)
    if root is not None and not needs and not root.is_dir():
        needs = f"the folder {root}, which is not there{_download(name)}"
    small = name not in COPIES or root is None or (root / MANIFEST).is_file()
    return Supply(spec, None if small else folder / "prepared" / f"{name}-{side}", side, needs)


def _download(name: str) -> str:
    """What gets a dataset, in brackets."""
    known = name in RELEASES or name in AGREEMENTS
    return f" (pylon-zoo data download {shown_name(name)} DIR)" if known else ""
