"""What an evaluation was made of, image by image, as one file that curves and plots are drawn from."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pylon_zoo.errors import DataError
from pylon_zoo.evaluation.decisions import records_of
from pylon_zoo.evaluation.result import Evaluation
from pylon_zoo.files import make_folder, write_together

PREDICTIONS = "predictions.npz"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What was predicted for each of N images over K classes, and where P of the heatmaps peak.

    Args:
        classes: K names.
        paths: N images.
        targets: (N, K) float32, 1 present, 0 absent, NaN unknown.
        ranks: (N, K) float32, what images are ranked by: logits of a sigmoid, else probabilities.
        probabilities: (N, K) float32 in [0, 1].
        boxed: (P, 2) int64, image and class of each heatmap that has a box.
        hits: (P,) float32, 1 where the heatmap's peak lies in a box.
        offsets: (P, 2) float32, pixels down and right from the centre of the nearest box to the peak.
        size: (2,) int64, height and width in pixels that heatmaps were judged at.

    Example:
        >>> whole, none = torch.zeros(1, 1), torch.zeros(0, 2)
        >>> one = Predictions(("Mass",), ("a.png",), whole, whole, whole, none.long(), none[:, 0], none, torch.ones(2))
        >>> one.of("Mass").shape
        torch.Size([0, 2])
    """

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    targets: Tensor
    ranks: Tensor
    probabilities: Tensor
    boxed: Tensor
    hits: Tensor
    offsets: Tensor
    size: Tensor

    def of(self, name: str) -> Tensor:
        """Offsets of a class, (P', 2)."""
        return self.offsets[self.boxed[:, 1] == self.classes.index(name)]


def write_predictions(evaluation: Evaluation, folder: str | Path) -> Path:
    """Write `predictions.npz` atomically: the arrays of `Predictions`, by their names.

    Args:
        evaluation: with records.
        folder: where; made if it is not there.

    Returns:
        The file.

    Raises:
        ConfigError: `folder` cannot be a folder, or the evaluation holds no records.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.evaluation.evaluate import evaluate
        >>> from pylon_zoo.data.phantom import PhantomCxr; from pylon_zoo.models.build import build_model
        >>> data = PhantomCxr("test", size=64, count=8)
        >>> model = build_model("pylon_test_resnet", 8, in_chans=1, label_names=data.classes)
        >>> path = write_predictions(evaluate(model, data, size=64), mkdtemp())
        >>> read_predictions(path.parent).probabilities.shape
        torch.Size([8, 8])
    """
    records = records_of(evaluation)
    found = records.outcomes
    arrays = {
        "classes": np.array(evaluation.classes),
        "paths": np.array(records.paths),
        "targets": records.targets.numpy(),
        "ranks": records.ranks.numpy(),
        "probabilities": records.probabilities.numpy(),
        "boxed": torch.stack([found.images, found.labels], dim=1).numpy(),
        "hits": found.values.float().numpy(),
        "offsets": found.offsets.float().numpy(),
        "size": np.array(evaluation.size),
    }
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    path = make_folder(folder) / PREDICTIONS
    write_together(path.parent, {path.name: content.getvalue()})
    return path


def read_predictions(folder: str | Path) -> Predictions:
    """What `write_predictions` wrote, which `pylon-zoo evaluate` does.

    Args:
        folder: that it was written into.

    Returns:
        The arrays, on the CPU.

    Raises:
        DataError: there is no such file, or it is not one of ours.

    Example:
        >>> try:
        ...     read_predictions("no/such/folder")
        ... except DataError as error:
        ...     print(str(error).partition(":")[0])
        no/such/folder holds no predictions.npz
    """
    path = Path(folder) / PREDICTIONS
    if not path.is_file():
        raise DataError(
            f"{folder} holds no {PREDICTIONS}: give a folder that `pylon-zoo evaluate --out` wrote; one of an earlier "
            "version must be evaluated again."
        )
    try:
        with np.load(path) as file:
            arrays = dict(file)
        classes, paths = (tuple(arrays.pop(name).tolist()) for name in ("classes", "paths"))
        return Predictions(classes, paths, **{name: torch.from_numpy(array) for name, array in arrays.items()})
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} cannot be read as what `pylon-zoo evaluate` wrote: evaluate the model again."
        ) from error
