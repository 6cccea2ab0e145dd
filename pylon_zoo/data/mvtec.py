"""MVTec AD: photographs of 15 objects and textures with masks of their defects (Bergmann et al., CVPR 2019).

ROOT is one category, such as bottle, and has
train/good/000.png                     images without a defect
test/good/000.png                      others
test/DEFECT/000.png                    images with a defect
ground_truth/DEFECT/000_mask.png       and its mask
VisA reads as well in this layout, which its authors' script makes of it: good and bad, masks as 000.png.
"""

from __future__ import annotations

from pathlib import Path

from pylon_zoo.data.class_folders import VAL_SHARES, ClassFolders, Item, items_in, share_out
from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.records import RecordDataset
from pylon_zoo.data.splits import SHARES
from pylon_zoo.errors import DataError

GOOD = "good"


class MvtecAd(ClassFolders):
    """One category of MVTec AD; its kinds of defects are the classes, good images show none.

    The release trains on good images alone, which teaches no classifier what a defect is. So all images are shared out
    70:10:20, by hash of the name, kind by kind; `official` keeps the release's split.

    Args:
        root: the folder of a category.
        split: `"train"`, `"val"` or `"test"`.
        official: the release's own split: good images train (an eighth of them validates), the others test.
        merged: the name of one class that all kinds of defects stand for; by default each is its own.
        masks: False leaves them out, and the boxes with them.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a folder is missing, there are no images, or a mask is of none.
        UnknownNameError: no such split.

    Example:
        >>> from tempfile import mkdtemp; from PIL import Image
        >>> root = Path(mkdtemp(), "bottle")
        >>> for place in ("train/good", "test/good", "test/broken"):
        ...     (root / place).mkdir(parents=True)
        ...     for number in range(20):
        ...         Image.new("RGB", (32, 32)).save(root / place / f"{number}.png")
        >>> MvtecAd(root, "train").classes
        ('broken',)
    """

    name = "mvtec_ad"

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        official: bool = False,
        merged: str = "",
        masks: bool = True,
        transform: SampleTransform | None = None,
    ) -> None:
        RecordDataset.__init__(self, root, split, transform)
        self.channels = 3
        parts = {part: _part(self.root, part) for part in ("train", "test")}
        if official:
            items = {**share_out(parts["train"], VAL_SHARES), "test": parts["test"]}
        else:
            items = share_out([*parts["train"], *parts["test"]], SHARES)
        self.take(items, GOOD, merged, masks)


def _part(root: Path, part: str) -> list[Item]:
    """The images of the release's train or test folder, named by it."""
    folder = root / part
    if not folder.is_dir():
        inside = sorted(one.parent.name for one in root.glob("*/train") if one.is_dir())
        there = f"it holds {', '.join(inside)}: give the folder of one of them" if inside else "copy the release there"
        raise DataError(f"'{folder}' does not exist; {there}.")
    return [item._replace(name=f"{part}/{item.name}") for item in items_in(folder, root, part)]
