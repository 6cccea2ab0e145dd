"""Runs what a grid lacks: trains, evaluates, appends; what is there is not run again."""

from __future__ import annotations

import json
import math
import re
import shlex
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pylon_zoo._version import __version__
from pylon_zoo.attribution import AttributedClassifier
from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.registry import dataset_of, drawing_options, open_dataset
from pylon_zoo.errors import PylonZooError
from pylon_zoo.evaluation import evaluate
from pylon_zoo.experiments.grid import Grid, Row
from pylon_zoo.experiments.results import BY_MASKS, append_row, figures, read_rows
from pylon_zoo.models.heatmap_model import HeatmapModel
from pylon_zoo.training.overrides import data_settings
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.recipe_files import load_recipe
from pylon_zoo.training.run_folder import RunFolder
from pylon_zoo.training.train import open_split, train
from pylon_zoo.weights.checkpoint import load_checkpoint

T = TypeVar("T")
Line = dict[str, Any]
"""What is known of a row and seed, a column each."""

LONGEST_NAME = 150
"""Bytes of a run folder's name: file systems take 255, and Windows 260 characters for a whole path."""
KEPT_OPEN = 3
"""Datasets kept open between rows; drawn phantoms stay in memory with them."""


@dataclass(frozen=True)
class Failure:
    """A row and seed that could not be filled, and why."""

    row: str
    seed: int
    error: PylonZooError


@dataclass
class Laboratory:
    """Where runs live, and the data they take.

    Args:
        grid: what is filled.
        folder: of the runs, `FOLDER/<recipe and settings>/seed-<n>`.
        results: the CSV file.
        data: `NAME[:DIR]`, for every dataset that a recipe names; the recipes' own without.
        starts: recipe → checkpoint in place of the run that a row would start from.
        settings: `"key=value"` changes to every recipe, after the rows' own.
        data_options: of the dataset, in training and evaluation.
        device, workers: for training and evaluation.
        progress: progress bars on stderr.
        say: called with every step.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.experiments.grid import load_grid
        >>> grid = load_grid("phantom_methods")
        >>> rows = grid.select(["PYLON", "FPN"])
        >>> laboratory = Laboratory(grid, Path(mkdtemp()), Path(mkdtemp(), "runs.csv"))
        >>> len(list(laboratory.missing(rows, seeds=[0, 1])))
        4
    """

    grid: Grid
    folder: Path
    results: Path
    data: Sequence[str] = ()
    starts: dict[str, str] = field(default_factory=dict)
    settings: Sequence[str] = ()
    data_options: Mapping[str, Any] = field(default_factory=dict)
    device: str | None = None
    workers: int = 0
    progress: bool = False
    say: Callable[[str], None] = print
    _opened: OrderedDict[str, Any] = field(default_factory=OrderedDict, repr=False)

    def fill(self, rows: Sequence[Row], seeds: Sequence[int]) -> list[Failure]:
        """Fill every row for every seed, all rows of a seed first.

        Returns:
            What failed; the rest was done nevertheless.
        """
        return self.keep(self.attempt(row, seed) for row, seed in self.missing(rows, seeds))

    def attempt(self, row: Row, seed: int) -> Line | Failure:
        """A row's line, or why there is none."""
        try:
            return self.measure(row, seed)
        except PylonZooError as error:
            return Failure(row.name, seed, error)

    def keep(self, outcomes: Iterable[Line | Failure]) -> list[Failure]:
        """Append lines to the results as they come, and say so; of failures, say why, and give them all."""
        failures = []
        for outcome in outcomes:
            if isinstance(outcome, Failure):
                failures.append(outcome)
                self.say(f"{outcome.row}, seed {outcome.seed}: {outcome.error}")
                continue
            append_row(self.results, outcome)
            point = outcome["point_accuracy"]
            self.say(
                f"{outcome['row']}, seed {outcome['seed']}: AUROC {outcome['auroc']:.3f}"
                + ("" if math.isnan(point) else f", point accuracy {point:.3f}")
            )
        return failures

    def missing(self, rows: Sequence[Row], seeds: Sequence[int]) -> Iterator[tuple[Row, int]]:
        """What the results do not hold yet, looked up as it is asked for: another process may be filling it."""
        for seed in seeds:
            for row in rows:
                done = {(line["row"], line["seed"]) for line in read_rows(self.results)}
                if (row.name, str(seed)) not in done:
                    yield row, seed

    def measure(self, row: Row, seed: int) -> Line:
        """Train a row's run if need be, and evaluate it."""
        recipe, run, summary = self.trained(row.recipe, row.settings, seed, row.start)
        model, dataset = load_checkpoint(run), self.test_set(recipe)
        judged: HeatmapModel = AttributedClassifier(model, row.method) if row.method else model
        how: dict[str, Any] = {
            "controls": False,
            "placement": self.grid.placement,
            "metrics": self.grid.metrics,
            "views": row.views,
        }
        evaluation = evaluate(judged.eval(), dataset, **how, **self._how)
        return {
            "row": row.name,
            "recipe": row.recipe,
            "settings": " ".join((*row.settings, *self._changes)),
            "method": row.method,
            "seed": seed,
            **figures(evaluation),
            "parameters": summary["parameters"],
            "epochs": summary["epochs"],
            "train_seconds": summary["seconds"],
            "images_per_second": summary["images_per_second"],
            "dataset": evaluation.dataset,
            "split": evaluation.split,
            "images": evaluation.images,
            "device": summary["device"],
            "version": __version__,
            "command": self.command(row, seed),
            BY_MASKS: " ".join(evaluation.by_masks),
        }

    def trained(
        self, name: str, settings: Sequence[str], seed: int, start: str = ""
    ) -> tuple[Recipe, Path, dict[str, Any]]:
        """A recipe's run of a seed, its folder and its summary; what is missing of it, or of its start, is trained now.

        Raises:
            ConfigError: there is a run by other settings.
        """
        settings = (*settings, *self._changes)
        changes = [*settings, f"loop.seed={seed}"]
        if start:
            source = self.starts.get(start) or str(self.trained(start, (), 0)[1])
            changes.append(f"transfer.checkpoint={json.dumps(source)}")
        recipe = load_recipe(name, changes, self.data_for(load_recipe(name).data.name))
        run = self.folder / run_name(name, settings) / f"seed-{seed}"
        done = RunFolder(run).summary() is not None
        if not done:
            self.say(f"training {run}")
        datasets = None if done else self.splits(recipe)
        return recipe, run, train(recipe, run, resume=True, datasets=datasets, **self._how)

    def data_for(self, wanted: str) -> str | None:
        """The `--data` that is the dataset a recipe names; None leaves the recipe's own."""
        return next((given for given in self.data if dataset_of(given) == dataset_of(wanted)), None)

    def splits(self, recipe: Recipe) -> tuple[LabelledDataset, LabelledDataset]:
        """A recipe's training and validation images."""
        return self._open(f"train {recipe.data}", lambda: (open_split(recipe, "train"), open_split(recipe, "val")))

    def test_set(self, recipe: Recipe) -> LabelledDataset:
        """What a recipe's runs are evaluated on: the grid's split of the grid's data, at the recipe's size."""
        name = self.data_for(self.grid.data) or self.grid.data
        options = {**drawing_options(name, recipe.data.size), **self.data_options}
        if "cache" in recipe.data.options:
            options["cache"] = recipe.data.options["cache"]
        return self._open(f"test {name} {options}", lambda: open_dataset(name, self.grid.split, **options))

    def command(self, row: Row, seed: int) -> str:
        """What makes this line alone."""
        chosen = ["--rows", row.name, "--first-seed", str(seed), "--seeds", "1"]
        options = [f"{key}={json.dumps(value)}" for key, value in self.data_options.items()]
        changed = [word for option in options for word in ("--data-option", option)]
        changed += [word for setting in self.settings for word in ("--set", setting)]
        return shlex.join(["pylon-zoo", "reproduce", self.grid.name, *chosen, *changed])

    @property
    def _changes(self) -> list[str]:
        """What every recipe is changed by."""
        return [*data_settings(self.data_options), *self.settings]

    @property
    def _how(self) -> dict[str, Any]:
        return {"device": self.device, "workers": self.workers, "progress": self.progress}

    def _open(self, key: str, opener: Callable[[], T]) -> T:
        if key not in self._opened:
            self._opened[key] = opener()
        self._opened.move_to_end(key)
        while len(self._opened) > KEPT_OPEN:
            self._opened.popitem(last=False)
        opened: T = self._opened[key]
        return opened


def run_name(recipe: str, settings: Sequence[str]) -> str:
    """A folder name for a recipe with settings; of too many, the first ones and a checksum of all.

    Example:
        >>> run_name("phantom_pylon", ["data.size=192", 'model.options.pooling="lse"'])
        'phantom_pylon,data.size=192,model.options.pooling=lse'
    """
    # Without a dot at its end, which Windows would drop.
    plain = (re.sub(r"[^\w.=-]+", "_", text.replace('"', "")).strip("_.") for text in settings)
    name = ",".join([recipe, *plain])
    whole = name.encode("utf-8")
    if len(whole) <= LONGEST_NAME:
        return name
    return f"{whole[: LONGEST_NAME - 9].decode('utf-8', 'ignore')},{zlib.crc32(whole):08x}"
