"""A recipe: everything that decides how a model is trained, as data.

Recipes are TOML files (`pylon_zoo.training.recipe_files` reads them); the dataclasses here are their schema, and the
defaults are the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pylon_zoo.errors import ConfigError
from pylon_zoo.symmetries import ORIENTATIONS
from pylon_zoo.training.schedule import SCHEDULES, Schedule
from pylon_zoo.training.sections import Origin, build, dump, plain, setting

PRECISIONS = ("no", "fp16", "bf16")
PHASES = ("frozen", "trained")
AUGMENTERS = ("loader", "device")
OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW"}
"""Name in `[optimizer]` → class in `torch.optim`."""
SHARPNESS = {"topk": "k", "lse": "r"}
"""Pooling that can go from average to maximum → its option that says how far it is."""


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
        augment_on: who augments: the `"loader"`, as in the paper, or the model's `"device"`, a batch at once; images
            then leave the loader with 8 bits.
        classes: those of the dataset that are learnt, in this order; None is all. Images that show others stay.
        mean, std: normalisation of images in [0, 1], one value per channel; None takes the model's own.
        options: passed to the dataset for every split.
        train, val: passed to the dataset for that split only.
    """

    name: str = setting("nih_cxr14")
    size: int = setting(256, at_least=32)
    augmentation: str = setting("xray")
    augment_on: str = setting("loader", choices=AUGMENTERS)
    classes: tuple[str, ...] | None = None
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
        encoder_lr: of the encoder, where it is to learn at another rate than the rest; None is the same.
        weight_decay: of the optimizer.
        betas: how much of the running means of gradients and of their squares a step keeps.
        fused: update all weights in one pass over memory, which rounds otherwise than the paper's runs.
    """

    name: str = setting("adam", choices=tuple(OPTIMIZERS))
    lr: float = setting(1e-4, above=0)
    encoder_lr: float | None = setting(None, above=0)
    weight_decay: float = setting(0.0, at_least=0)
    betas: tuple[float, ...] = setting((0.9, 0.999), at_least=0, below=1)
    fused: bool = setting(False)


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
class LossSection:
    """`[loss]`: what the labels' cross-entropy is taken of; in the paper the logits of the model's own pooling.

    Args:
        pooling: of heatmaps in training, a key of `SHARPNESS`, sharpened from `start` to `end` while training goes on;
            empty is the model's own. The model is judged and kept with its own in any case.
        start, end: of the pooling's option; in between it moves by equal factors.
        until: share of training after which it stays at `end`.
        levels: weight of the loss of each level's own map, which PYLON's heatmap is the sum of; 0 is none.
        fine_first: share of training in which the coarsest level's part of PYLON's heatmap rises evenly from nothing
            to the whole; 0 is the whole from the start.
    """

    pooling: str = setting("", choices=("", *SHARPNESS))
    start: float = setting(0.02, above=0)
    end: float = setting(0.003, above=0)
    until: float = setting(0.8, above=0, at_most=1)
    levels: float = setting(0.0, at_least=0)
    fine_first: float = setting(0.0, at_least=0, at_most=1)


@dataclass(frozen=True)
class ConsistencySection:
    """`[consistency]`: what heatmaps must not depend on, see `pylon_zoo.training.consistency`; off in the paper.

    `loop.batch_size` counts images; two views of each are twice as many to compute.

    Args:
        views: weight of the disagreement of two views of an image; 0 shows one.
        swap: weight of what a map takes from a swapped context; 0 swaps nothing. Its images are so many more.
        tiles: weight of what the quarters of an image look like by themselves; 0 does not look. So many more again.
        ramp: share of training in which the weights rise evenly from 0.
        orientation: `"any"`: views are mirrored and turned all ways; `"upright"`: mirrored left for right only;
            `"mixed"`: one is upright, the other any way.
    """

    views: float = setting(0.0, at_least=0)
    swap: float = setting(0.0, at_least=0)
    tiles: float = setting(0.0, at_least=0)
    ramp: float = setting(0.2, at_least=0, at_most=1)
    orientation: str = setting("upright", choices=tuple(ORIENTATIONS))


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

    encoder: tuple[str, ...] = setting(("trained",), choices=PHASES)
    norm_stats: str = setting("move", choices=("move", "stay"))


@dataclass(frozen=True)
class TransferSection:
    """`[transfer]`: the trained checkpoint that the run starts from.

    Args:
        checkpoint: a checkpoint or run folder, `local-dir:PATH`, `hf-hub:org/name[@revision]`, or a name of
            `list_pretrained`; empty starts from fresh weights.
        head: `"new"`: freshly initialised, as in the paper; `"match_labels"`: classes whose names are the checkpoint's
            too, up to case, blanks, dashes and underscores, keep their rows, and the others are fresh.
        decoder: `"keep"` the checkpoint's, as in the paper, or a `"new"` one on its encoder, which may then be another
            method's.
        required: the recipe makes no sense without a checkpoint.
    """

    checkpoint: str = setting("")
    head: str = setting("new", choices=("new", "match_labels"))
    decoder: str = setting("keep", choices=("keep", "new"))
    required: bool = setting(False)


@dataclass(frozen=True)
class Recipe:
    """One run, described.

    Args:
        base: the recipe that a file starts from: a name of `recipes list`, or a path from the file; None once read.
        description: one line for `recipes list`.
        model, transfer, data, loss, consistency, optimizer, schedule, phases, loop: the sections.
        origin: where it was read from, for messages.
        notes: lines that stand above the settings in `to_toml`, such as why they were chosen.

    Example:
        >>> Recipe().optimizer.lr, Recipe().schedule.name
        (0.0001, 'plateau')
    """

    base: str | None = setting(None)
    description: str = setting("")
    model: ModelSection = field(default_factory=ModelSection)
    transfer: TransferSection = field(default_factory=TransferSection)
    data: DataSection = field(default_factory=DataSection)
    loss: LossSection = field(default_factory=LossSection)
    consistency: ConsistencySection = field(default_factory=ConsistencySection)
    optimizer: OptimizerSection = field(default_factory=OptimizerSection)
    schedule: ScheduleSection = field(default_factory=ScheduleSection)
    phases: PhasesSection = field(default_factory=PhasesSection)
    loop: LoopSection = field(default_factory=LoopSection)
    origin: Origin = field(default=Origin("recipe"), compare=False, repr=False, metadata={"internal": True})
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False, metadata={"internal": True})

    def make_schedule(self) -> Schedule:
        """A fresh schedule with this recipe's settings.

        Raises:
            UnknownNameError, ConfigError: `[schedule.options]` do not fit the schedule.
        """
        return build(SCHEDULES[self.schedule.name], self.schedule.options, self.origin, "schedule.options.")

    def check_complete(self) -> None:
        """Refuse to train a recipe that still lacks what only its user can give.

        Raises:
            ConfigError: it starts from a checkpoint, and none is named.
        """
        if self.transfer.required and not self.transfer.checkpoint:
            raise ConfigError(
                f"{self.origin.at('transfer.checkpoint')} is empty, but this recipe starts from a trained model: name "
                "its run or checkpoint folder with --set transfer.checkpoint=RUN."
            )

    def to_toml(self) -> str:
        """The recipe as a TOML file with every setting spelled out; reading it gives an equal recipe."""
        notes = "".join(f"# {line}\n" for line in self.notes)
        return notes + ("\n" if notes else "") + dump(plain(self))
