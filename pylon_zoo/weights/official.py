"""The authors' own checkpoints (github.com/cmb-chula/pylon), turned into models of the zoo.

Their networks are smp's ResNet encoder with the paper's decoder (PYLON) or a 1×1 convolution on its last map
(Baseline). Everything about them is read off the names and shapes of the tensors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from pylon_zoo.data.nih import CLASSES as NIH_CLASSES
from pylon_zoo.errors import PylonZooError, WeightsError
from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.weights.archives import checkpoint_bytes
from pylon_zoo.weights.checkpoint import load_state
from pylon_zoo.weights.pickles import load_pickle
from pylon_zoo.weights.state_dicts import find_state_dict

INPUT_SIZE = 256  # pixels, of the released checkpoints; the networks take any size
XRAY_MEAN, XRAY_STD = 0.4984, 0.2483  # of [0, 1], the authors' for all radiographs

# (blocks per stage, whether they are bottlenecks) → timm's name.
RESNETS: dict[tuple[tuple[int, ...], bool], str] = {
    ((2, 2, 2, 2), False): "resnet18",
    ((3, 4, 6, 3), False): "resnet34",
    ((3, 4, 6, 3), True): "resnet50",
    ((3, 4, 23, 3), True): "resnet101",
    ((3, 8, 36, 3), True): "resnet152",
}


@dataclass(frozen=True)
class Form:
    """One kind of network the authors published.

    Attributes:
        title: its name in the paper.
        method: ours.
        encoder, head: what the names of its tensors begin with there.
        options: state dict, and what to call it in errors → the options of our model.
        renames: (pattern of a beginning of a name, what replaces it); the first that fits counts.
    """

    title: str
    method: str
    encoder: str
    head: str
    options: Callable[[Mapping[str, Tensor], str], dict[str, Any]]
    renames: tuple[tuple[str, str], ...]


def import_official(
    source: str | os.PathLike[str] | Mapping[str, Any], *, member: str | None = None
) -> HeatmapClassifier:
    """The authors' PYLON or Baseline as a model of the zoo, with the same heatmaps.

    Which ResNet, how many classes and channels, and which ablation it is are read off the tensors. With 14 classes the
    labels are those of NIH ChestX-ray14 in the order of the release, as the authors have them; other label names they
    did not record, set them with `set_labels`. Input is 256 pixels; with one channel, the authors' mean and standard
    deviation. Their average-pooled Baseline has the same tensors as the max-pooled one they released, which is assumed.

    Args:
        source: their file (a checkpoint of PyTorch, or a zip or tar archive of some), or its state dict.
        member: which checkpoint of an archive that holds several.

    Returns:
        A `Pylon`, or a max-pooled `CamClassifier`, in eval mode.

    Raises:
        ConfigError: an archive holds several checkpoints and none was chosen; lists them.
        UnknownNameError: an archive does not hold that member.
        WeightsError: the file cannot be read or holds more than weights (nothing in it is executed), or the tensors are
            not those of a PYLON or Baseline; names the tensor and both shapes.

    Example:
        >>> from pylon_zoo.weights import import_official
        >>> import_official("pylon,nih,256.pkl")
        Traceback (most recent call last):
        ...
        pylon_zoo.errors.WeightsError: pylon,nih,256.pkl cannot be read: No such file or directory. Check the path.
    """
    if isinstance(source, Mapping):
        content, where = source, "the state dict"
    else:
        packed, where = checkpoint_bytes(Path(source), member)
        content = load_pickle(packed, where)
    state = find_state_dict(content, where)
    form = next((form for form in FORMS if f"{form.head}weight" in state), None)
    if form is None:
        heads = " or ".join(f"{form.head}weight" for form in FORMS)
        raise WeightsError(
            f"{where} is neither the authors' PYLON nor their Baseline: it has no {heads}, but "
            f"{', '.join(list(state)[:3])} …. Give their state dict."
        )
    names = {name: _rename(name, form) for name in state}
    in_chans = _shape(state, f"{form.encoder}conv1.weight", where)[1]
    num_classes = _shape(state, f"{form.head}weight", where)[0]
    try:
        model = build_model(
            f"{form.method}_{_resnet(state, form, where)}",
            num_classes,
            in_chans,
            label_names=NIH_CLASSES if num_classes == len(NIH_CLASSES) else None,
            **form.options(state, where),
        )
    except PylonZooError as error:
        raise WeightsError(f"{where} is a {form.title} that cannot be built here: {error}") from error
    ours = {names[name]: tensor for name, tensor in state.items()}
    if len(ours) < len(state):
        raise WeightsError(
            f"{where} has upsampling modules of one layer and of two at once. Give the whole state dict."
        )
    load_state(model, ours, where=where, names={our: name for name, our in names.items()})
    model.pretrained_cfg["input_size"] = (in_chans, INPUT_SIZE, INPUT_SIZE)
    if in_chans == 1:
        model.pretrained_cfg |= {"mean": (XRAY_MEAN,), "std": (XRAY_STD,)}
    return model.eval()


def _pylon_options(state: Mapping[str, Tensor], where: str) -> dict[str, Any]:
    """The variant of the paper, by the tensors that only some variants have and by the shapes of convolutions."""
    head = _shape(state, "net.segmentation_head.0.weight", where)
    options = {
        "alignment": "paper",
        "decoder_channels": head[1],
        "head_kernel": head[-1],
        "attention": "net.decoder.pa.down1.1.conv.weight" in state,
        "attention_gap": "net.decoder.pa.branch1.1.conv.weight" in state,
    }
    # The laterals of a module are numbered where there are two.
    first = {2: "net.decoder.up{}.conv1.0.conv.weight", 1: "net.decoder.up{}.conv1.conv.weight"}
    layers = next((layers for layers, name in first.items() if name.format(3) in state), None)
    if layers is None:
        return options | {"up_modules": 0}
    modules = sum(first[layers].format(level) in state for level in (3, 2, 1))
    kernel = _shape(state, first[layers].format(3), where)[-1]
    return options | {"up_modules": None if modules == 3 else modules, "up_layers": layers, "up_kernel": kernel}


def _cam_options(state: Mapping[str, Tensor], where: str) -> dict[str, Any]:
    return {"pooling": "max"}


def _resnet(state: Mapping[str, Tensor], form: Form, where: str) -> str:
    """timm's name of the encoder, by its blocks."""
    blocks = tuple(
        len({name.split(".")[0] for name in _below(state, f"{form.encoder}layer{stage}.")}) for stage in (1, 2, 3, 4)
    )
    bottleneck = f"{form.encoder}layer1.0.conv3.weight" in state
    if (blocks, bottleneck) not in RESNETS:
        raise WeightsError(
            f"{where} has an encoder of {'-'.join(map(str, blocks))} {'bottleneck' if bottleneck else 'basic'} blocks, "
            f"which is none of {', '.join(RESNETS.values())}. Other encoders cannot be imported."
        )
    return RESNETS[blocks, bottleneck]


def _below(state: Mapping[str, Tensor], prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in state if name.startswith(prefix)]


def _shape(state: Mapping[str, Tensor], name: str, where: str) -> tuple[int, ...]:
    """The shape of a convolution's weights that everything else follows from."""
    if name not in state:
        raise WeightsError(f"{where} lacks {name}, so it is not complete. Give the whole state dict.")
    if state[name].ndim != 4:
        raise WeightsError(
            f"{where}: {name} has the shape {tuple(state[name].shape)}, but a convolution's has 4 numbers."
        )
    return tuple(state[name].shape)


def _rename(name: str, form: Form) -> str:
    """Our name of a tensor of theirs; a name that fits no pattern stays, and will be unknown."""
    for pattern, replacement in form.renames:
        renamed, count = re.subn(f"^{pattern}", replacement, name)
        if count:
            return renamed.replace(".bn.", ".norm.") if renamed.startswith("decoder.") else renamed
    return name


FORMS = (
    Form(
        title="PYLON",
        method="pylon",
        encoder="net.encoder.",
        head="net.segmentation_head.0.",
        options=_pylon_options,
        renames=(
            (r"net\.encoder\.", "encoder.model."),
            (r"net\.decoder\.pa\.mid\.0\.", "decoder.attention.mid."),
            (r"net\.decoder\.pa\.(down\d)\.1\.", r"decoder.attention.\1."),
            (r"net\.decoder\.pa\.(conv\d)\.", r"decoder.attention.\1."),
            (r"net\.decoder\.pa\.branch1\.1\.", "decoder.attention.gap."),
            # Theirs count from fine to coarse, ours from coarse to fine; one layer has no number there.
            *((rf"net\.decoder\.up{3 - i}\.conv1\.(\d)\.", rf"decoder.upsampling.{i}.lateral.\1.") for i in range(3)),
            *((rf"net\.decoder\.up{3 - i}\.conv1\.", f"decoder.upsampling.{i}.lateral.0.") for i in range(3)),
            (r"net\.segmentation_head\.0\.", "head."),
        ),
    ),
    Form(
        title="Baseline",
        method="cam",
        encoder="net.",
        head="out.",
        options=_cam_options,
        renames=((r"net\.", "encoder.model."), (r"out\.", "head.")),
    ),
)
