"""A small checkpoint in a repository of the loopback Hub, known by address and by name."""

from __future__ import annotations

from collections.abc import Mapping

from pylon_zoo.weights.file_names import CONFIG_FILE, WEIGHTS_FILE
from pylon_zoo.weights.integrity import record_of
from pylon_zoo.weights.manifest import register_weights

NAME, REPO = "pylon_test_resnet", "org/model"
PINNED, UNPINNED = "published", f"hf-hub:{REPO}"  # its tag, and its address
RIGHT = "right"  # what the fixture `load` says of the weights that were published


def register(commit: str, files: Mapping[str, bytes], **records: object) -> None:
    """An entry for a commit of the repository.

    Args:
        commit: its name.
        files: its files.
        records: what the entry says of a file, in place of what is true.
    """
    known = {name: vars(record_of(files[name])) for name in (CONFIG_FILE, WEIGHTS_FILE)}
    register_weights(
        {
            f"{NAME}.{PINNED}": {
                "source": "hub",
                "repo": REPO,
                "revision": commit,
                "files": known | records,
                "num_classes": 2,
                "label_names": ["class_0", "class_1"],
                "in_chans": 3,
                "input_size": [3, 160, 160],
                "mean": [0.5] * 3,
                "std": [0.5] * 3,
                "interpolation": "bicubic",
            }
        }
    )
