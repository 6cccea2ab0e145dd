"""A recipe for data that nobody has written one for: every setting from what the data, the model and the device are."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.registry import DATASETS, drawing_options, parse_data_spec
from pylon_zoo.errors import UnknownNameError, WeightsError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.methods import split_name
from pylon_zoo.training.model_name import check_model
from pylon_zoo.training.overrides import changes_of
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.recipe_files import inherit, recipe_from_table
from pylon_zoo.training.rules import (
    ALWAYS,
    COARSEST_STRIDE,
    DECODERS,
    POINTING,
    batch_for,
    bias_for,
    device_kind,
    epochs_for,
    loop_for,
    orientation_of,
    rates_for,
    sides_for,
    smaller_side,
)
from pylon_zoo.training.sections import Origin
from pylon_zoo.training.survey import Survey, never_shown, survey
from pylon_zoo.training.train import model_for, open_split
from pylon_zoo.training.trial import Trial, try_out

ORIGIN = "the settings of this run"
ENCODER = ("encoder_pretrained", "encoder_weights")
"""Options of a model that say where its encoder's weights are from."""


@dataclass(frozen=True)
class Choices:
    """A recipe that was chosen, and what it was chosen from.

    Args:
        recipe: complete.
        survey: of the data.
        trial: of the device, at the recipe's size and batch.
        device: a key of `pylon_zoo.training.rules.KINDS`.
        encoder: what its weights are.
        statistics: mean and standard deviation of the model's input.
        orientation: why the augmentation is what it is.
        minutes: that were asked for; None where nothing was.
        left_out: classes of the data that no image has, and that are not learnt for that.
    """

    recipe: Recipe
    survey: Survey
    trial: Trial
    device: str
    encoder: str
    statistics: tuple[tuple[float, ...], tuple[float, ...]]
    orientation: str
    minutes: float | None = None
    left_out: tuple[str, ...] = ()


def choose(
    data: str,
    architecture: str,
    *,
    settings: Sequence[str] = (),
    orientation: str = "auto",
    minutes: float | None = None,
    device: str | None = None,
    workers: int = 0,
    progress: bool = False,
) -> Choices:
    """Look at the data, try a few steps, and settle everything that a recipe says; nothing is written.

    Args:
        data: `NAME[:DIR]`.
        architecture: a name of `list_models`; a tag is the encoder's.
        settings: `"key=value"` as for `load_recipe`, in place of what would be chosen.
        orientation: a key of `pylon_zoo.training.rules.ORIENTATIONS`, or `"auto"`.
        minutes: about how long the run may take.
        device: as for `train`.
        workers: loading processes.
        progress: bars on stderr.

    Returns:
        What was chosen: `recipe` is complete, and `pylon_zoo.training.wording.ten_lines` says it in words.

    Raises:
        UnknownNameError: no such model, dataset or setting.
        ConfigError: a setting that cannot be.
        DataError: data that cannot be trained on; says what is wrong and where.
        WeightsError: weights of the encoder that the settings ask for cannot be had.

    Example:
        >>> settings = ["model.options.encoder_pretrained=false", "data.options.count=32", "data.size=32"]
        >>> chosen = choose("phantom", "pylon_test_resnet", settings=settings, device="cpu").recipe
        >>> chosen.data.augmentation, chosen.loop.batch_size, chosen.schedule.max_epochs
        ('upright', 4, 60)
    """
    check_model(architecture)
    draft = _Draft(data, architecture, settings)
    left_out = () if draft.given("data.classes") else never_shown(*draft.splits())
    if left_out:
        draft.put("data", classes=[name for name in draft.splits()[0].classes if name not in left_out])
    seen = survey(data, *draft.splits(), workers=workers, progress=progress)
    kind = device_kind(device)
    augmentation, why = orientation_of(data, orientation)
    draft.put("data", augmentation=augmentation)
    draft.put("model", head_bias=bias_for(seen.prevalence))

    encoder, pretrained = _choose_encoder(draft)
    views = _choose_pointing(draft, augmentation)
    draft.put("loop", batch_size=batch_for(seen.images[0], kind, views), **loop_for(kind))
    if seen.grey and not pretrained and "channels" in DATASETS[parse_data_spec(data)[0]].options:
        draft.put("data", options={"channels": 1})
    described = draft.model().pretrained_cfg
    sides = [described["input_size"][1]] if described["fixed_input_size"] else sides_for(seen.side, kind)
    draft.put("data", size=sides[0])
    trial = draft.trial(device, workers)
    if minutes is not None and not draft.given("data.size"):
        side = smaller_side(sides, trial, seen.images, minutes)
        draft.put("data", size=side)
        trial = trial if side == sides[0] else draft.trial(device, workers)
    draft.put("loop", batch_size=trial.batch_size)
    model = draft.model()
    draft.put("optimizer", **rates_for(_encoder_kind(model, pretrained), draft.recipe().loop.batch_size * views))
    draft.put("schedule", max_epochs=epochs_for(seen.images, trial, kind, pretrained, minutes, views))
    statistics = (model.pretrained_cfg["mean"], model.pretrained_cfg["std"])
    return Choices(draft.recipe(), seen, trial, kind, encoder, statistics, why, minutes, left_out)


class _Draft:
    """A recipe in the making: what was chosen so far, and the user's settings on top of it."""

    def __init__(self, data: str, architecture: str, settings: Sequence[str]) -> None:
        self.changes, self.keys = changes_of(settings)
        self.table: dict[str, Any] = inherit(
            {
                "description": f"{architecture}, its settings chosen from the data",
                "model": {"architecture": architecture},
                "data": {"name": data},
            },
            ALWAYS,
        )
        self._opened: dict[str, tuple[LabelledDataset, LabelledDataset]] = {}

    def put(self, section: str, **values: Any) -> None:
        """Choose some settings of a section."""
        self.table = inherit(self.table, {section: values})

    def given(self, key: str) -> bool:
        """Whether the user has set a key, or a section."""
        return any(one == key or one.startswith(f"{key}.") for one in self.keys)

    def recipe(self) -> Recipe:
        """As far as it has been chosen."""
        return recipe_from_table(inherit(self.table, self.changes), Origin(ORIGIN, self.keys))

    def splits(self) -> tuple[LabelledDataset, LabelledDataset]:
        """Training and validation split, opened again where the choices have changed how."""
        recipe = self.recipe()
        how = repr((drawing_options(recipe.data.name, recipe.data.size), recipe.data.options, recipe.data.classes))
        if how not in self._opened:
            self._opened[how] = (open_split(recipe, "train"), open_split(recipe, "val"))
        return self._opened[how]

    def model(self) -> HeatmapClassifier:
        """The model, with fresh decoder and head; that the encoder is from a package is said elsewhere."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return model_for(self.recipe(), self.splits()[0])

    def trial(self, device: str | None, workers: int) -> Trial:
        """A few steps of it."""
        return try_out(self.recipe(), self.model(), *self.splits(), device=device, workers=workers)


def _choose_pointing(draft: _Draft, augmentation: str) -> int:
    """Have heatmaps agree, where there are heatmaps; how many views of an image a step shows then."""
    method, _ = split_name(draft.recipe().model.architecture)
    model = draft.model()
    if not model.has_heatmap:
        return 1
    draft.put("model", options=DECODERS.get(method, {}))
    if method == "pylon" and min(model.encoder.strides) <= COARSEST_STRIDE:
        draft.put("model", options={"coarsest_stride": COARSEST_STRIDE})
    for section, settings in POINTING.items():
        draft.put(section, **settings)
    draft.put("consistency", orientation="any" if augmentation == "any" else "mixed")
    return 2 if draft.recipe().consistency.views else 1


def _encoder_kind(model: HeatmapClassifier, pretrained: bool) -> str:
    """The key of `RATES`."""
    if not pretrained:
        return "fresh"
    normalised = any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in model.encoder.modules())
    return "batch norm" if normalised else "other norm"


def _choose_encoder(draft: _Draft) -> tuple[str, bool]:
    """Take weights for the encoder wherever there are any; says from where, and whether there are."""
    for key in ("transfer.checkpoint", *(f"model.options.{option}" for option in ENCODER)):
        if draft.given(key):
            recipe = draft.recipe()
            section, _, name = key.rpartition(".")
            value = recipe.transfer.checkpoint if section == "transfer" else recipe.model.options[name]
            return (f"weights as set: {key}={value}", True) if value else ("fresh, as set", False)
    draft.put("model", options={"encoder_pretrained": True})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            model_for(draft.recipe(), draft.splits()[0])
        except (WeightsError, UnknownNameError):
            draft.put("model", options={"encoder_pretrained": False})
            return "fresh, as no pretrained weights of it can be had here", False
    packaged = [
        str(one.message).rpartition("starts from ")[2].rstrip(".") for one in said if "ImageNet" in str(one.message)
    ]
    return packaged[0] if packaged else "timm's pretrained weights", True
