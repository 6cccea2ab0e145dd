"""CUB-200-2011 and OpenImages30k with the metadata of wsolevaluation (Choe et al., CVPR 2020).

ROOT/metadata/CUB/SPLIT/ (likewise OpenImages), SPLIT being train, val or test:
image_ids.txt         a path a line
class_labels.txt      path,class: a number from 0
image_sizes.txt       path,width,height    (empty for OpenImages)
localization.txt      CUB: path,x0,y0,x1,y1    OpenImages: path,mask,ignore: files of masks; several lines an image
ROOT/dataset/CUB/PATH, ROOT/CUB/PATH       images, and for OpenImages the masks
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.listing import check_listed, not_there
from pylon_zoo.data.mask_files import stack_masks
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset, check_corners, stack_boxes
from pylon_zoo.data.sample import no_boxes
from pylon_zoo.data.tables import read_rows
from pylon_zoo.errors import DataError, UnknownNameError

Sizes = dict[str, tuple[int, int]]
MOST_CLASSES = 10_000  # a target has a number for each: a class of a million by mistake would fill the memory


class WsolDataset(RecordDataset):
    """What both share: images of one class each, in the metadata's own splits; each image is a patient of its own.

    wsolevaluation trains on its `train`, chooses thresholds and models on `val`, whose images are others than the
    original release's, and reports `test`.
    """

    folder: str
    channels = 3

    def open(self) -> tuple[Path, Path, dict[str, int]]:
        """The folders of this split's metadata and of images, and image → class; sets `classes`."""
        base = self.root / "metadata" / self.folder
        there = [split for split in self.splits if (base / split).is_dir()]
        if not there:
            raise DataError(
                f"'{base}' does not exist or has no train, val or test: copy wsolevaluation's metadata there."
            )
        if self.split not in there:
            raise UnknownNameError(f"'{base}' has no split '{self.split}': it has {', '.join(there)}.")
        names: dict[int, str] = {}
        labels: dict[str, int] = {}
        for split in there:
            of = _read_labels(base / split / "class_labels.txt")
            names |= {index: image.split("/")[-2] for image, index in of.items() if "/" in image}
            labels = of if split == self.split else labels
        self.classes = tuple(names.get(index, f"class_{index}") for index in range(max(names, default=-1) + 1))
        images = [image for _, (image, *_) in read_rows(base / self.split / "image_ids.txt")]
        for image in images:
            if image not in labels:
                raise DataError(f"'{base / self.split / 'class_labels.txt'}' has no class of '{image}': copy it again.")
        parents = (self.root / "dataset" / self.folder, self.root / self.folder)
        where = next((parent for parent in parents if parent.is_dir()), parents[0])
        missing = set(not_there(where, images))
        with row_problems():
            listed = f"'{base / self.split / 'image_ids.txt'}' lists them; looked in '{where}'"
            check_listed(listed, [image for image in images if image in missing], len(images), self.split)
        return base / self.split, where, {image: labels[image] for image in images if image not in missing}

    def target(self, index: int) -> torch.Tensor:
        """One class present, all others absent."""
        target = torch.zeros(self.num_classes)
        target[index] = 1
        return target


class CubBirds(WsolDataset):
    """CUB-200-2011 (Wah et al., 2011): birds of 200 species with a box each, `val` and all that it needs included.

    Args:
        root: the folder that holds metadata and dataset.
        split: `"train"`, `"val"` or `"test"`.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a file is missing or malformed (names it and the row), or an image is not on disk.
        UnknownNameError: no such split.

    Example:
        >>> from tempfile import mkdtemp; from PIL import Image
        >>> root, bird = Path(mkdtemp()), "001.Albatross/1.jpg"
        >>> metadata, images = root / "metadata/CUB/val", root / "dataset/CUB"
        >>> metadata.mkdir(parents=True); (images / bird).parent.mkdir(parents=True)
        >>> Image.new("RGB", (32, 24)).save(images / bird)
        >>> tables = {"image_ids": bird, "class_labels": f"{bird},0", "image_sizes": f"{bird},32,24"}
        >>> for name, line in {**tables, "localization": f"{bird},8,4,24,14"}.items():
        ...     _ = (metadata / f"{name}.txt").write_text(line)
        >>> CubBirds(root, "val")[0].boxes
        tensor([[ 0.,  8.,  4., 24., 14.]])
    """

    name = "cub"
    folder = "CUB"

    def __init__(self, root: str | Path, split: str, *, transform: SampleTransform | None = None) -> None:
        super().__init__(root, split, transform)
        metadata, where, labels = self.open()
        sizes = _read_sizes(metadata / "image_sizes.txt")
        path = metadata / "localization.txt"
        boxes: dict[str, list[tuple[float, ...]]] = {}
        lines: dict[str, list[int]] = {}
        for line, cells in read_rows(path):
            with row_problems():
                image, *numbers = cells
                if image in labels:
                    corners = check_corners(f"'{path}' row {line}", numbers, sizes.get(image))
                    boxes.setdefault(image, []).append((float(labels[image]), *corners))
                    lines.setdefault(image, []).append(line)
        self.fill(
            Record(
                where / image,
                image,
                self.target(index),
                stack_boxes(boxes.get(image, [])),
                f"'{path}' row {', '.join(map(str, lines.get(image, [])))}",
                sizes.get(image),
            )
            for image, index in labels.items()
        )


class OpenImages30k(WsolDataset):
    """OpenImages30k (Benenson et al., CVPR 2019): photographs of 100 classes; val and test have masks.

    Boxes are those around the masks' connected regions. The files of regions to ignore are not read, so that a metric
    counts them as background, where wsolevaluation's leaves them out. Classes have the names of their folders, which
    are the codes of OpenImages.

    Args:
        root: the folder that holds metadata and dataset.
        split: `"train"`, `"val"` or `"test"`.
        masks: False leaves them out, and the boxes with them.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a file is missing or malformed (names it and the row), or an image or mask is not on disk.
        UnknownNameError: no such split.

    Example:
        >>> from tempfile import mkdtemp; from PIL import Image
        >>> root, photo = Path(mkdtemp()), "val/01226z/1.jpg"
        >>> metadata, images = root / "metadata/OpenImages/val", root / "dataset/OpenImages"
        >>> metadata.mkdir(parents=True); (images / photo).parent.mkdir(parents=True)
        >>> Image.new("RGB", (32, 24)).save(images / photo)
        >>> tables = {"image_ids": photo, "class_labels": f"{photo},0", "image_sizes": f"{photo},32,24"}
        >>> for name, line in {**tables, "localization": ""}.items():
        ...     _ = (metadata / f"{name}.txt").write_text(line)
        >>> OpenImages30k(root, "val").classes
        ('01226z',)
    """

    name = "openimages30k"
    folder = "OpenImages"

    def __init__(
        self, root: str | Path, split: str, *, masks: bool = True, transform: SampleTransform | None = None
    ) -> None:
        super().__init__(root, split, transform)
        metadata, where, labels = self.open()
        path = metadata / "localization.txt"
        files: dict[str, list[Path]] = {}
        if masks and path.is_file() and path.stat().st_size:
            for line, cells in read_rows(path):
                with row_problems():
                    if len(cells) < 2 or not cells[1]:
                        raise DataError(f"'{path}' row {line} has no mask beside its image: correct or remove it.")
                    files.setdefault(cells[0], []).append(where / cells[1])
            missing = not_there(where, [one.relative_to(where).as_posix() for of in files.values() for one in of])
            with row_problems():
                check_listed(f"'{path}' lists them; looked in '{where}'", missing, len(files), split)
        self.fill(
            Record(
                where / image,
                image,
                self.target(index),
                None if image in files else no_boxes(),
                f"'{path}'",
                masks=self._masks(index, files[image], where / image) if image in files else None,
            )
            for image, index in labels.items()
        )

    def _masks(self, index: int, files: list[Path], image: Path) -> Callable[[tuple[int, int]], torch.Tensor]:
        return partial(stack_masks, {index: files}, self.num_classes, image)


def _read_labels(path: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for line, cells in read_rows(path):
        with row_problems():
            if len(cells) != 2 or not cells[1].isdecimal():
                raise DataError(f"'{path}' row {line} is not path,class with a number from 0: correct it.")
            if cells[0] in found:
                raise DataError(f"'{path}' row {line} repeats image '{cells[0]}': remove one of them.")
            if len(cells[1]) > len(str(MOST_CLASSES)) or int(cells[1]) >= MOST_CLASSES:
                raise DataError(
                    f"'{path}' row {line} says class {cells[1][:12]}, but classes are numbered from 0 and below "
                    f"{MOST_CLASSES}: correct it."
                )
            found[cells[0]] = int(cells[1])
    return found


def _read_sizes(path: Path) -> Sizes:
    """Image → height and width that its boxes are measured in."""
    found: Sizes = {}
    for line, cells in read_rows(path):
        with row_problems():
            if len(cells) != 3 or not all(one.isdecimal() and int(one) > 0 for one in cells[1:]):
                raise DataError(f"'{path}' row {line} is not path,width,height with numbers above 0: correct it.")
            found[cells[0]] = (int(cells[2]), int(cells[1]))
    return found
