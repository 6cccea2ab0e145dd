"""Weights of any checkpoint as the start of a model for other classes or channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from pylon_zoo.data.label_names import same_names
from pylon_zoo.errors import ConfigError
from pylon_zoo.files import is_path
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.training.recipe import TransferSection
from pylon_zoo.weights.checkpoint import parse_config, parse_weights, tuples
from pylon_zoo.weights.file_names import CONFIG_FILE, WEIGHTS_FILE
from pylon_zoo.weights.hub import HUB
from pylon_zoo.weights.loading import LOCAL, Source, address_source, find_source, folder_source
from pylon_zoo.weights.stem import adapt_input, adapt_stem


@dataclass(frozen=True)
class Transferred:
    """What a transfer did.

    Args:
        place: where the weights are from.
        taken: the parts taken over whole, of `"encoder"` and `"decoder"`.
        matched: labels whose rows of the head were taken over, as the model has them.
        fresh: labels whose rows of the head are new.
    """

    place: str
    taken: tuple[str, ...]
    matched: tuple[str, ...]
    fresh: tuple[str, ...]

    def __str__(self) -> str:
        """One line for the log.

        Example:
            >>> print(Transferred("runs/a", ("encoder", "decoder"), ("Mass",), ("Hernia", "Edema")))
            From runs/a: encoder and decoder; head rows of Mass; 2 of 3 head rows are fresh.
        """
        rows = f"; head rows of {', '.join(self.matched)}" if self.matched else ""
        classes = len(self.matched) + len(self.fresh)
        return (
            f"From {self.place}: {' and '.join(self.taken)}{rows}; {len(self.fresh)} of {classes} head rows are fresh."
        )


def transfer_into(model: HeatmapClassifier, section: TransferSection) -> Transferred | None:
    """Fill a freshly built model with a checkpoint's weights, as a section says.

    An encoder that was cut short (`coarsest_stride`) takes what it has from a whole one. The model takes over the
    checkpoint's normalisation (`mean` and `std` of `pretrained_cfg`) and keeps its own labels, input size and pooling.
    Where the channels differ, the stem is adapted as in `pylon_zoo.weights.stem`.

    Args:
        model: from `build_model`, with label names; changed in place.
        section: where from, and which parts.

    Returns:
        What was taken over; None without a checkpoint, which leaves the model alone.

    Raises:
        ConfigError: a part is not built alike, naming its first tensor that differs; or labels are to be matched and
            none does, or on a new decoder.
        WeightsError: the weights cannot be had or read.
        UnknownNameError: no such name; suggests the nearest.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> transfer_into(build_model("pylon_test_resnet", 2), TransferSection()) is None
        True
    """
    if not section.checkpoint:
        return None
    if section.head == "match_labels" and section.decoder == "new":
        raise ConfigError("Rows of a head mean nothing on a new decoder. Set head to 'new', or decoder to 'keep'.")
    source = source_of(section.checkpoint)
    config = parse_config(source.read(CONFIG_FILE), f"{CONFIG_FILE} of {source.place}")
    state = parse_weights(source.read(WEIGHTS_FILE), f"{WEIGHTS_FILE} of {source.place}")
    channels = (config.get("model_args") or {}).get("in_chans", 3)
    own = model.state_dict()
    if model.encoder.is_cut:  # what lies beyond its end is of no use here
        state = {name: value for name, value in state.items() if name in own or part_of(name) != "encoder"}

    check_alike("encoder", own, state, source.place, channels=(model.in_chans, channels))
    adapted = adapt_stem(model, state, channels, source.place)
    taken = ["encoder"]
    if section.decoder == "keep":
        check_alike("decoder", own, state, source.place)
        taken.append("decoder")
    chosen = {name: adapted[name] for name in own if part_of(name) in taken}
    places: list[int | None] = [None] * model.num_classes
    if section.head == "match_labels":
        places = same_names(config.get("label_names") or [], model.label_names)
        chosen |= matched_head(own, state, places, source.place)
    model.load_state_dict({**own, **chosen})

    theirs = adapt_input(tuples(config["pretrained_cfg"]), model.in_chans)
    model.pretrained_cfg |= {name: theirs[name] for name in ("mean", "std") if name in theirs}
    rows = list(zip(model.label_names, places, strict=True))
    matched = tuple(label for label, place in rows if place is not None)
    return Transferred(source.place, tuple(taken), matched, tuple(label for label, place in rows if place is None))


def source_of(checkpoint: str) -> Source:
    """Where a checkpoint's files are, see `TransferSection`.

    Raises:
        PylonZooError: there is no such checkpoint.
    """
    if checkpoint.startswith(HUB):
        return address_source(checkpoint)
    path = Path(checkpoint.removeprefix(LOCAL)).expanduser()
    if checkpoint.startswith(LOCAL) or is_path(checkpoint) or path.is_dir():
        return folder_source(path)
    architecture, _, tag = checkpoint.partition(".")
    return find_source(architecture, tag or True)


def part_of(name: str) -> str:
    """`"encoder"`, `"head"`, or `"decoder"` for all between and after: what a tensor of a state dict belongs to."""
    first = name.partition(".")[0]
    return first if first in ("encoder", "head") else "decoder"


def check_alike(
    part: str,
    own: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    where: str,
    channels: tuple[int, int] | None = None,
) -> None:
    """Refuse a checkpoint whose part is built otherwise than the model's.

    Args:
        part: `"encoder"` or `"decoder"`.
        own, state: of model and checkpoint.
        where: what to call the checkpoint.
        channels: of the images of model and checkpoint; shapes may differ in them alone.

    Raises:
        ConfigError: names the first tensor that differs.
    """
    for name in (name for name in {**own, **state} if part_of(name) == part):
        mine, theirs = (tuple(one[name].shape) if name in one else None for one in (own, state))
        if mine == theirs or (channels and mine and theirs and mine == swapped(theirs, channels)):
            continue
        kinds = ["is not there" if one is None else f"has the shape {one}" for one in (mine, theirs)]
        advice = "Take a recipe with the checkpoint's backbone and encoder options, or another checkpoint."
        if part == "decoder":
            advice = "Set transfer.decoder to 'new' to take over the encoder alone."
        raise ConfigError(
            f"The {part} of {where} is not built like the model's: {name} {kinds[0]} in the model, but {kinds[1]} in "
            f"the checkpoint. {advice}"
        )


def swapped(shape: tuple[int, ...], channels: tuple[int, int]) -> tuple[int, ...]:
    """A kernel's shape for the first number of channels, if it is one for the second."""
    return (shape[0], channels[0], *shape[2:]) if len(shape) > 1 and shape[1] == channels[1] else shape


def matched_head(
    own: Mapping[str, Tensor], state: Mapping[str, Tensor], places: list[int | None], where: str
) -> dict[str, Tensor]:
    """The model's head with some rows of the checkpoint's.

    Args:
        own, state: of model and checkpoint.
        places: for each of the model's classes the checkpoint's, or None.
        where: what to call the checkpoint.

    Returns:
        The tensors of the head: of its last layer the matched rows are the checkpoint's and the others the model's, the
        layers before it, in an MLP head, are the checkpoint's.

    Raises:
        ConfigError: no class matches, or the heads differ in more than their classes.
    """
    if all(place is None for place in places):
        raise ConfigError(f"No label of {where} is one of the dataset's. Set transfer.head to 'new'.")
    names = [name for name in own if part_of(name) == "head"]
    last = names[-1].rpartition(".")[0]
    mine = [label for label, place in enumerate(places) if place is not None]
    theirs = [place for place in places if place is not None]
    head = {}
    for name in names:
        rows = name.rpartition(".")[0] == last
        if name not in state or state[name].shape[rows:] != own[name].shape[rows:]:
            raise ConfigError(f"The heads differ in more than their classes: {name}. Set transfer.head to 'new'.")
        head[name] = state[name].to(own[name].dtype)
        if rows:
            head[name] = own[name].clone()
            head[name][mine] = state[name][theirs].to(own[name])
    return head
