"""A recipe: everything that decides how a model is trained, as data.

Recipes are TOML files; the dataclasses here are their schema, and the defaults are the paper's.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pylon_zoo.data.registry import DATASETS
from pylon_zoo.errors import ConfigError, UnknownNameError, suggest
from pylon_zoo.training.schedule import SCHEDULES, Schedule
from pylon_zoo.training.sections import Origin, build, dump, plain, setting

RECIPE_FOLDER = Path(__file__).parent / "recipes"
PRECISIONS = ("no", "fp16", "bf16")
OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW"}
"""Name in `[optimizer]` → class in `torch.optim`."""


@dataclass(frozen=True)
class ModelSection:
    """`[model]`: the architecture; classes and channels come from the dataset.

    Args:
        architecture: a name of `list_models`, without a tag of ours (`"pylon_resnet50"`).
        head_bias: initial bias of the head, in logits; None leaves the model's (0 for PYLON, as in the paper). From
            scratch a negative one starts every class as absent, as rare classes are.
        options: what `build_model` takes beyond that (`encoder_pretrained`, `decoder_channels`, …).
    """

    architecture: str = setting("pylon_resnet50")
    head_bias: float | None = setting(None)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSection:
    """`[data]`: the dataset and what is done to its images.

    Args:
        name: `NAME` or `NAME:DIR`; `--data` replaces it.
        size: height and width in pixels that images are resized to.
        augmentation: of training images, a key of `pylon_zoo.data.augmentations.AUGMENTATIONS`.
        mean, std: normalisation of images in [0, 1], one value per channel; None takes the model's own.
        options: passed to the dataset for every split.
        train, val: passed to the dataset for that split only.
    """

    name: str = setting("nih_cxr14")
    size: int = setting(256, at_least=32)
    augmentation: str = setting("xray")
    mean: tuple[float, ...] | None = setting(None, at_least=0, at_most=1)
    std: tuple[float, ...] | None = setting(None, above=0)
    options: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    val: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OptimizerSection:
    """`[optimizer]`: Adam at 1e-4 without weight decay, as in the paper.

    Args:
        name: a key of `OPTIMIZERS`.
        lr: base learning rate.
        weight_decay: of the optimizer.
    """

    name: str = setting("adam", choices=tuple(OPTIMIZERS))
    lr: float = setting(1e-4, above=0)
    weight_decay: float = setting(0.0, at_least=0)


@dataclass(frozen=True)
class ScheduleSection:
    """`[schedule]`: how the rate falls and when the run ends.

    Args:
        name: a key of `SCHEDULES`.
        max_epochs: a phase, of which most runs have one, ends there at the latest.
        evaluate_every: epochs between evaluations on the validation split; the last epoch is always evaluated.
        options: the schedule's own settings.
    """

    name: str = setting("plateau", choices=tuple(SCHEDULES))
    max_epochs: int = setting(40, at_least=1)
    evaluate_every: int = setting(1, at_least=1)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LoopSection:
    """`[loop]`: the engine.

    Args:
        batch_size: images per optimizer step, over all processes and the parts they accumulate.
        accumulate: parts that a process's images of a step are trained in, one after the other, to need less memory.
        precision: autocast in `"fp16"` or `"bf16"`, or `"no"`; heatmaps, pooling and loss are float32 in any case.
        channels_last: keep feature maps channels-last in memory, which most devices convolve faster.
        checkpointing: compute the encoder's activations again for the gradient instead of keeping them.
        compile: compile the training forward pass (`torch.compile`).
        clip_grad_norm: the largest norm of all gradients together; None leaves them.
        ema: decay per step of a running average of the weights, which is then validated and kept; 0 is none.
        sync_batchnorm: batch normalisation over the images of all processes; on GPUs.
        save_every: optimizer steps between saves of the run's state within an epoch; 0 saves after epochs only.
        seed: of initial weights, shuffling and augmentation.
    """

    batch_size: int = setting(64, at_least=1)
    accumulate: int = setting(1, at_least=1)
    precision: str = setting("no", choices=PRECISIONS)
    channels_last: bool = setting(False)
    checkpointing: bool = setting(False)
    compile: bool = setting(False)
    clip_grad_norm: float | None = setting(None, above=0)
    ema: float = setting(0.0, at_least=0, below=1)
    sync_batchnorm: bool = setting(False)
    save_every: int = setting(0, at_least=0)
    seed: int = setting(0, at_least=0)


@dataclass(frozen=True)
class PhasesSection:
    """`[phases]`: one training after the other; each but the first starts from the weights of the one before it that
    validated best, with a fresh optimizer and schedule. `["frozen", "trained"]` is the paper's two-phase fine-tuning.

    Args:
        encoder: for each phase, whether the encoder's parameters are `"trained"` or `"frozen"`.
        norm_stats: of a frozen encoder's batch normalisation: `"move"` with the data, as in the paper, or `"stay"`.
    """

    encoder: tuple[str, ...] = setting(("trained",), choices=("frozen", "trained"))
    norm_stats: str = setting("move", choices=("move", "stay"))


@dataclass(frozen=True)
class Recipe:
    """One run, described.

    Args:
        description: one line for `recipes list`.
        model, data, optimizer, schedule, phases, loop: the sections.
        origin: where it was read from, for messages.

    Example:
        >>> Recipe().optimizer.lr, Recipe().schedule.name
        (0.0001, 'plateau')
    """

    description: str = setting("")
    model: ModelSection = field(default_factory=ModelSection)
    data: DataSection = field(default_factory=DataSection)
    optimizer: OptimizerSection = field(default_factory=OptimizerSection)
    schedule: ScheduleSection = field(default_factory=ScheduleSection)
    phases: PhasesSection = field(default_factory=PhasesSection)
    loop: LoopSection = field(default_factory=LoopSection)
    origin: Origin = field(default=Origin("recipe"), compare=False, repr=False, metadata={"internal": True})

    def make_schedule(self) -> Schedule:
        """A fresh schedule with this recipe's settings.

        Raises:
            UnknownNameError, ConfigError: `[schedule.options]` do not fit the schedule.
        """
        return build(SCHEDULES[self.schedule.name], self.schedule.options, self.origin, "schedule.options.")

    def to_toml(self) -> str:
        """The recipe as a TOML file with every setting spelled out; reading it gives an equal recipe."""
        return dump(plain(self))


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = (), data: str | None = None) -> Recipe:
    """Read a recipe.

    Args:
        name_or_path: a name of `list_recipes()`, or the path of a `.toml` file.
        overrides: `"key=value"` with a dotted key and a TOML value (a bare word is taken as a string); later ones win.

        data: `NAME[:DIR]` in place of the recipe's dataset. A different dataset keeps the recipe's size and
            augmentation, and leaves the options, mean and standard deviation of the recipe's own behind.

    Returns:
        The recipe, every setting checked.

    Raises:
        UnknownNameError: no such recipe or setting; names the nearest.
        ConfigError: not TOML, a value of the wrong type or an impossible one; names file and key.

    Example:
        >>> load_recipe("nih_cxr14_pylon_resnet50_256", ["loop.batch_size=8"]).loop.batch_size
        8
    """
    path = recipe_path(name_or_path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a TOML file: {error}. Compare it with `pylon-zoo recipes show`.") from error
    except OSError as error:
        raise ConfigError(f"Cannot read the recipe {path}: {error.strerror}.") from error
    if data is not None and isinstance(table.get("data", {}), dict):
        table["data"] = _on_data(table.get("data", {}), data)
    settings = dict(parse_override(text) for text in overrides)
    for key, value in settings.items():
        _put(table, key, value)
    return recipe_from_table(
        table, Origin(path.name if path.parent == RECIPE_FOLDER else str(path), frozenset(settings))
    )


def recipe_from_table(table: Mapping[str, Any], origin: Origin) -> Recipe:
    """A recipe from nested tables as `tomllib` reads them; `origin` names their source in messages."""
    recipe = replace(build(Recipe, table, origin), origin=origin)
    recipe.make_schedule()
    return recipe


def parse_override(text: str) -> tuple[str, Any]:
    """`"optimizer.lr=1e-3"` as dotted key and value.

    Raises:
        ConfigError: not of that form.

    Example:
        >>> parse_override("optimizer.lr=1e-3"), parse_override("data.augmentation=flip")
        (('optimizer.lr', 0.001), ('data.augmentation', 'flip'))
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key):
        raise ConfigError(f"--set {text!r} is not of the form key=value, for example optimizer.lr=1e-3.")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        # A shell eats the quotes of a string, so a plain word stands for itself.
        if re.fullmatch(r"[A-Za-z_./~][\w./:~@+-]*", value):
            return key, value
        raise ConfigError(
            f'--set {key}: {value!r} is not a TOML value (a number, true, false, "text", [a, b]).'
        ) from None


def list_recipes() -> list[str]:
    """Names of the recipes that ship with the package, sorted."""
    return sorted(path.stem for path in RECIPE_FOLDER.glob("*.toml"))


def recipe_path(name_or_path: str | Path) -> Path:
    """The file behind a recipe argument.

    Args:
        name_or_path: a shipped name (dashes for underscores allowed) or the path of a `.toml` file.

    Raises:
        UnknownNameError: there is neither.
    """
    given = Path(name_or_path)
    if given.suffix == ".toml" and given.is_file():
        return given
    shipped = RECIPE_FOLDER / f"{str(name_or_path).replace('-', '_')}.toml"
    if given.name == str(name_or_path) and shipped.is_file():
        return shipped
    if given.suffix == ".toml":
        raise UnknownNameError(
            f"There is no recipe file {given}. Shipped recipes are shown by `pylon-zoo recipes list`."
        )
    near = suggest(str(name_or_path), list_recipes()) or f" Shipped recipes: {', '.join(list_recipes())}."
    raise UnknownNameError(f"There is no recipe '{name_or_path}'.{near}")


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in nested tables."""
    *sections, last = key.split(".")
    for section in sections:
        inner = table.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {key}: '{section}' is a value, not a section with settings in it.")
        table = inner
    table[last] = value


def _on_data(table: Mapping[str, Any], spec: str) -> dict[str, Any]:
    """A recipe's `[data]` on other data: what belongs to its own dataset does not travel to a different one."""
    mine, other = (DATASETS.get(one.partition(":")[0].replace("-", "_")) for one in (str(table.get("name")), spec))
    kept = dict(table) if mine == other else {key: table[key] for key in ("size", "augmentation") if key in table}
    return {**kept, "name": spec}
