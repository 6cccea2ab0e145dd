"""VinDr-CXR as Kaggle and as PhysioNet release it (Nguyen et al., Scientific Data 2022).

Kaggle:
ROOT/train.csv                               image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max
ROOT/train/IMAGE_ID.dicom, or .png, .jpg, …  the images
ROOT/train_meta.csv                          optional, in copies of another size: image_id,dim0,dim1 (height and width
                                             of the original, which the boxes are measured in)
PhysioNet:
ROOT/annotations/annotations_train.csv       the same columns, class_id left out
ROOT/annotations/image_labels_train.csv      image_id,rad_id and a column of 0 and 1 for each of 28 labels
ROOT/train/IMAGE_ID.dicom, or .png, .jpg, …
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch
from torch import Tensor

from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.listing import check_listed, list_images
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset
from pylon_zoo.data.splits import assign_stratified
from pylon_zoo.data.vindr_tables import CLASSES, NO_FINDING, Reading, read_boxes, read_labels, read_sizes
from pylon_zoo.errors import ConfigError, DataError, suggest

KAGGLE_TABLE, KAGGLE_SIZES = "train.csv", "train_meta.csv"
PHYSIONET_TABLE, PHYSIONET_LABELS = "annotations/annotations_train.csv", "annotations/image_labels_train.csv"
IMAGE_FOLDERS = ("train", "images")
FRACTIONS = {"train": 0.7, "val": 0.1, "test": 0.2}
SALT = "pylon_zoo/vindr_cxr"
MERGE_IOU = 0.5
AGREEMENTS = {"any": lambda votes, readers: votes > 0, "majority": lambda votes, readers: votes * 2 > readers}
BOX_CHOICES = ("all", "merged")


class VinDrCxr(RecordDataset):
    """Frontal chest radiographs, each read by three radiologists, with boxes of 14 findings.

    The release has no split of its own for these images (its test labels came later and are not read here): they are
    shared out 70:10:20 by hash of the image's ID within strata (`assign_stratified`), an image's stratum being the
    rarest of the findings any reader sees, so that no option moves an image. Patients are not known, so that each image
    is its own. Of the PhysioNet release, the findings that Kaggle's has no class for count as "Other lesion", and
    diagnoses (pneumonia, …) are not read.

    Args:
        root: the folder of either release.
        split: `"train"`, `"val"` or `"test"`.
        no_finding: 15 outputs with "No finding" as the last, as in the paper; else 14.
        labels: `"any"`, a finding is present when one reader says so; `"majority"`, when more than half do.
        boxes: `"all"` keeps each reader's, as the paper does; `"merged"` averages those of one class that overlap
            with an IoU above 0.5, in the order of the table. Either keeps boxes of present classes only.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a table is missing or malformed (names it and the row), or an image is not on disk.
        UnknownNameError: no such split.
        ConfigError: another value of an option.

    Example:
        >>> VinDrCxr.classes[:2]
        ('Aortic enlargement', 'Atelectasis')
    """

    name = "vindr_cxr"
    classes: tuple[str, ...] = (*CLASSES, NO_FINDING)
    channels = 1

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        no_finding: bool = True,
        labels: str = "any",
        boxes: str = "all",
        transform: SampleTransform | None = None,
    ) -> None:
        super().__init__(root, split, transform)
        for option, value, choices in (("labels", labels, AGREEMENTS), ("boxes", boxes, BOX_CHOICES)):
            if value not in choices:
                raise ConfigError(
                    f"{option}={value!r}: it must be one of {', '.join(choices)}.{suggest(value, choices)}"
                )
        table, readings, sizes = _read_tables(self.root)
        targets = {image: _target(reading, labels) for image, reading in readings.items()}
        strata = _strata({image: _target(reading, "any") for image, reading in readings.items()})
        splits = assign_stratified(list(strata), list(strata.values()), FRACTIONS, SALT)
        images = [image for image, of in zip(strata, splits, strict=True) if of == split]
        folders = [self.root / folder for folder in IMAGE_FOLDERS]
        on_disk = {path.stem: path for path in list_images(folders).values()}
        with row_problems():
            check_listed(
                f"'{table}' lists them; looked in {' and '.join(IMAGE_FOLDERS)}",
                [image for image in images if image not in on_disk],
                len(images),
                split,
            )
        if not no_finding:
            self.classes = CLASSES
        self.fill(
            Record(
                on_disk[image],
                image,
                targets[image][: len(self.classes)],
                _boxes(readings[image], targets[image], merged=boxes == "merged"),
                f"'{table}' {readings[image].where}",
                sizes.get(image),
            )
            for image in images
            if image in on_disk
        )


def _read_tables(root: Path) -> tuple[Path, dict[str, Reading], dict[str, tuple[int, int]]]:
    """The table of boxes, what it says of each image, and the sizes boxes are measured in where they are known."""
    if (root / PHYSIONET_TABLE).is_file():
        labels = read_labels(root / PHYSIONET_LABELS)
        return root / PHYSIONET_TABLE, read_boxes(root / PHYSIONET_TABLE, {}, labels), {}
    table = root / KAGGLE_TABLE
    if not table.is_file():
        raise DataError(
            f"'{root}' has neither {KAGGLE_TABLE} (Kaggle) nor {PHYSIONET_TABLE} (PhysioNet): copy it there."
        )
    sizes = read_sizes(root / KAGGLE_SIZES) if (root / KAGGLE_SIZES).is_file() else {}
    return table, read_boxes(table, sizes), sizes


def _target(reading: Reading, labels: str) -> Tensor:
    """(15,) of 0 and 1; "No finding" is what is left when no finding is agreed on."""
    votes = Counter(index for findings in reading.findings.values() for index in findings)
    target = torch.zeros(len(CLASSES) + 1)
    for index, count in votes.items():
        target[index] = float(AGREEMENTS[labels](count, len(reading.findings)))
    if labels == "any":
        target[-1] = float(any(reading.clear.values()))
    else:
        target[-1] = float(AGREEMENTS[labels](sum(reading.clear.values()), len(reading.clear)))
    return target


def _strata(targets: dict[str, Tensor]) -> dict[str, str]:
    """Image → the rarest finding on it, in the order of the images' names."""
    counts = torch.stack(list(targets.values())).sum(dim=0).tolist()
    rarest: dict[str, str] = {}
    for image in sorted(targets):
        present = targets[image].nonzero().flatten().tolist()
        rarest[image] = str(min(present, key=lambda index: (counts[index], index), default="none"))
    return rarest


def _boxes(reading: Reading, target: Tensor, merged: bool) -> Tensor:
    kept = torch.tensor(reading.boxes, dtype=torch.float32).reshape(-1, 5)
    kept = kept[target[kept[:, 0].long()] == 1]
    return _merge(kept) if merged else kept


def _merge(boxes: Tensor) -> Tensor:
    """Means of the groups that overlapping boxes of one class make, each group around its first box."""
    from torchvision.ops import box_iou

    groups: list[list[Tensor]] = []
    for box in boxes:
        for group in groups:
            if box[0] == group[0][0] and box_iou(box[None, 1:], group[0][None, 1:]).item() > MERGE_IOU:
                group.append(box)
                break
        else:
            groups.append([box])
    return torch.stack([torch.stack(group).mean(dim=0) for group in groups]) if groups else boxes
