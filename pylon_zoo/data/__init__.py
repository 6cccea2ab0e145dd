"""Images and what is known about them: datasets by name, images from disk, transforms that move boxes along."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pylon_zoo.data.augmentations import AUGMENTATIONS
    from pylon_zoo.data.dataset import LabelledDataset
    from pylon_zoo.data.images import find_images, read_image, to_channels
    from pylon_zoo.data.labels import UNCERTAIN, RelabelledDataset
    from pylon_zoo.data.records import Record, RecordDataset
    from pylon_zoo.data.registry import DATASETS, open_dataset, parse_data_spec
    from pylon_zoo.data.sample import Batch, Sample, collate
    from pylon_zoo.data.splits import assign_by_hash, assign_stratified, check_patient_leak
    from pylon_zoo.data.transforms import EvalTransform, TrainTransform
else:
    from pylon_zoo.lazy import lazily as _lazily

    __getattr__, __dir__ = _lazily(
        __name__,
        {
            "augmentations": ["AUGMENTATIONS"],
            "dataset": ["LabelledDataset"],
            "images": ["find_images", "read_image", "to_channels"],
            "labels": ["UNCERTAIN", "RelabelledDataset"],
            "records": ["Record", "RecordDataset"],
            "registry": ["DATASETS", "open_dataset", "parse_data_spec"],
            "sample": ["Batch", "Sample", "collate"],
            "splits": ["assign_by_hash", "assign_stratified", "check_patient_leak"],
            "transforms": ["EvalTransform", "TrainTransform"],
        },
    )

__all__ = [
    "AUGMENTATIONS",
    "DATASETS",
    "UNCERTAIN",
    "Batch",
    "EvalTransform",
    "LabelledDataset",
    "Record",
    "RecordDataset",
    "RelabelledDataset",
    "Sample",
    "TrainTransform",
    "assign_by_hash",
    "assign_stratified",
    "check_patient_leak",
    "collate",
    "find_images",
    "open_dataset",
    "parse_data_spec",
    "read_image",
    "to_channels",
]
