"""A user's own images, a folder for each class, perhaps with a mask of what each image shows.

ROOT/train, ROOT/val (or valid), ROOT/test, and in each a folder for each class, as torchvision's ImageFolder has them;
or ROOT with the folders of classes alone, shared out 70:10:20 by hash, class by class
CLASS/NAME.jpg                     an image, of any format; also in folders further down
CLASS/NAME_mask.png                its mask, beside it; or in one of
ground_truth/CLASS/, ground_truth/SPLIT/CLASS/, masks/CLASS/, masks/SPLIT/CLASS/ of ROOT, as NAME_mask.png or NAME.png
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.image_files import IMAGE_SUFFIXES, natural_order
from pylon_zoo.data.label_names import normal_names
from pylon_zoo.data.mask_files import stack_masks
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset, check_channels
from pylon_zoo.data.sample import no_boxes
from pylon_zoo.data.splits import SHARES, assign_stratified
from pylon_zoo.errors import DataError, UnknownNameError, suggest

SPELLINGS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
MASK_END = "_mask"
MASK_FOLDERS = ("ground_truth/{of}", "ground_truth/{split}/{of}", "masks/{of}", "masks/{split}/{of}")
VAL_SHARES = {"train": 7 / 8, "val": 1 / 8}
SALT = "pylon_zoo/folders"


class Item(NamedTuple):
    """An image, its name from the folder of classes on, the folder of its class, and its masks."""

    image: Path
    name: str
    of: str
    masks: tuple[Path, ...]


class ClassFolders(RecordDataset):
    """Images sorted into a folder for each class; an image shows the class of its folder and no other.

    Boxes are those around the connected regions of the masks. Of a dataset with masks, images of the normal folders
    have masks without a pixel; other images without a file have none. Without a validation folder, an eighth of the
    training images validates, by hash, class by class. Nobody knows the patients, so that each image is its own.

    Args:
        root: the folder that holds the classes, or the splits.
        split: `"train"`, `"val"` or `"test"`.
        normal: the folders of images that show none of the classes, or one text with commas between them; None is those
            called good, normal, free, ok and the like (`NORMAL`, in any case), and "-" none.
        merged: the name of one class that all other folders stand for; by default each is its own.
        masks: False leaves them out, and the boxes with them.
        channels: 3 for colour, 1 for grey.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: there are no images, a class that training does not have, or a mask without its image.
        UnknownNameError: no such split, or a normal folder that is not there.
        ConfigError: other channels.

    Example:
        >>> from tempfile import mkdtemp; from PIL import Image
        >>> root = Path(mkdtemp())
        >>> for name in ("train/good/1.png", "train/crack/2.png", "val/good/3.png", "val/crack/4.png"):
        ...     (root / name).parent.mkdir(parents=True)
        ...     Image.new("L", (32, 32)).save(root / name)
        >>> ClassFolders(root, "train")
        ClassFolders('train', 2 images, 1 classes)
    """

    name = "folders"

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        normal: Sequence[str] | str | None = None,
        merged: str = "",
        masks: bool = True,
        channels: int = 3,
        transform: SampleTransform | None = None,
    ) -> None:
        super().__init__(root, split, transform)
        self.channels = check_channels(channels)
        self.take(find_items(self.root), normal, merged, masks)

    def take(self, items: dict[str, list[Item]], normal: Sequence[str] | str | None, merged: str, masks: bool) -> None:
        """Fill this split from the images of all of them; the other arguments are the constructor's.

        Raises:
            UnknownNameError: no such split.
            DataError: all images are normal ones.
        """
        if self.split not in items:
            raise UnknownNameError(f"'{self.root}' has no split '{self.split}': it has {', '.join(items)}.")
        folders = sorted({item.of for of in items.values() for item in of})
        apart = normal_names(folders, normal)
        shown = [folder for folder in folders if folder not in apart]
        if not shown:
            raise DataError(f"'{self.root}' has the normal images of {', '.join(folders)} alone: add those of a class.")
        self.classes = (merged,) if merged else tuple(shown)
        drawn = masks and any(item.masks for of in items.values() for item in of)
        self.fill(
            self._record(item, None if item.of in apart else 0 if merged else shown.index(item.of), drawn)
            for item in items[self.split]
        )

    def _record(self, item: Item, index: int | None, drawn: bool) -> Record:
        target = torch.zeros(self.num_classes)
        if index is not None:
            target[index] = 1
        name = item.image.relative_to(self.root).as_posix()
        known = drawn and (bool(item.masks) or index is None)
        files = {} if index is None else {index: item.masks}
        return Record(
            item.image,
            name,
            target,
            None if known else no_boxes(),
            masks=partial(stack_masks, files, self.num_classes, item.image) if known else None,
        )


def find_items(root: Path) -> dict[str, list[Item]]:
    """Split → its images, folder by folder, in natural order.

    Raises:
        DataError: there are none, a mask has no image, or a split has a class that training does not have.
    """
    folders = {split: root / name for split, names in SPELLINGS.items() for name in names if (root / name).is_dir()}
    if not folders:
        return share_out(items_in(root, root, ""), SHARES)
    items = {split: items_in(folder, root, folder.name) for split, folder in folders.items()}
    if "train" in items:
        known = sorted({item.of for item in items["train"]})
        for split, found in items.items():
            for of in sorted({item.of for item in found} - set(known)):
                with row_problems():
                    raise DataError(
                        f"'{folders[split] / of}' is a class that '{folders['train']}' does not have: it must be one "
                        f"of {', '.join(known)}.{suggest(of, known)}"
                    )
            items[split] = [item for item in found if item.of in known]
    if "train" in items and "val" not in items:
        items |= share_out(items["train"], VAL_SHARES)
    return items


def items_in(folder: Path, root: Path, split: str) -> list[Item]:
    """What the class folders in a folder hold.

    Args:
        folder: of a split, or the root.
        root: of the dataset, where folders of masks are.
        split: the folder's name there.

    Raises:
        DataError: there are no images, or a mask is of none.
    """
    apart = {name.partition("/")[0] for name in MASK_FOLDERS}
    items: list[Item] = []
    for inside in sorted(folder.iterdir()):
        if inside.is_dir() and not inside.name.startswith(".") and inside.name not in apart:
            elsewhere = [root / one.format(of=inside.name, split=split) for one in MASK_FOLDERS]
            items += _of_class(inside, list(dict.fromkeys(elsewhere)))
    if not items:
        raise DataError(f"'{folder}' has no folder with images in it: give each class a folder there.")
    return items


def share_out(items: Sequence[Item], shares: dict[str, float]) -> dict[str, list[Item]]:
    """Split → its share of the images, class by class."""
    splits = assign_stratified([item.name for item in items], [item.of for item in items], shares, SALT)
    return {split: [item for item, of in zip(items, splits, strict=True) if of == split] for split in shares}


def _of_class(folder: Path, elsewhere: Iterable[Path]) -> list[Item]:
    files = _images(folder)
    stems = {file.with_suffix("") for file in files}
    partner = {file: _without_end(file) for file in files if file.stem.endswith(MASK_END)}
    beside = [file for file, of in partner.items() if of in stems]
    masks: dict[Path, list[Path]] = {}
    for file in beside:
        masks.setdefault(partner[file], []).append(file)
    strays = [file for file in partner if file not in beside] if beside else []
    for base in elsewhere:
        for file in _images(base) if base.is_dir() else ():
            found = [folder / one.relative_to(base) for one in (_without_end(file), file.with_suffix(""))]
            of = next((one for one in found if one in stems), None)
            if of is None:
                strays.append(file)
            else:
                masks.setdefault(of, []).append(file)
    for file in strays:
        with row_problems():
            raise DataError(f"'{file}' is the mask of no image in '{folder}': copy its image there, or remove it.")
    return [
        Item(file, file.relative_to(folder.parent).as_posix(), folder.name, tuple(masks.get(file.with_suffix(""), ())))
        for file in files
        if file not in beside and file not in strays
    ]


def _images(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    return sorted((path for path in found if not path.name.startswith(".")), key=natural_order)


def _without_end(file: Path) -> Path:
    return file.with_name(file.stem.removesuffix(MASK_END))
