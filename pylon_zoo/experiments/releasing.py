"""From a dataset to published weights: the steps of a release, most of them commands that can be typed as well."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pylon_zoo.data.prepared import MANIFEST as PREPARED
from pylon_zoo.experiments.choosing import choose, chosen
from pylon_zoo.experiments.releases import Release
from pylon_zoo.experiments.reproduce import run_name
from pylon_zoo.experiments.steps import Step
from pylon_zoo.experiments.supply import Supply, supply_of
from pylon_zoo.files import make_folder, write_text
from pylon_zoo.training.overrides import data_settings
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.recipe_files import load_recipe
from pylon_zoo.training.run_folder import LOG, RECIPE, SUMMARY
from pylon_zoo.weights.file_names import RUN_CHECKPOINT, WEIGHTS_FILE
from pylon_zoo.weights.manifest import MANIFEST_FILE, MANIFEST_VARIABLE
from pylon_zoo.weights.measured import METRICS_FILE
from pylon_zoo.weights.patching import entry_patch

CHOICE, PATCH, VERIFIED = "chosen.json", "weights_manifest.patch", "verified.txt"
TEST = "test"
"""Folder in a run's, of the evaluation on the test images."""
MARK = "done.json"
NOBODY_CHOSEN = "<the chosen run>"


@dataclass(frozen=True)
class Releasing:
    """A release on its way.

    Args:
        release: what is made.
        command: runs `pylon-zoo` with some words, and gives its exit code.
        folder: runs go to `FOLDER/<recipe and settings>/seed-<n>`, as those of `pylon_zoo.experiments.reproduce`,
            smaller copies of datasets to `FOLDER/prepared`, all else to `FOLDER/release/<weights>`.
        data: `NAME:DIR` of every dataset that is needed.
        seeds: runs to choose from.
        repo: `org/name` on the Hub; empty publishes nothing.
        facts: further options of `pylon-zoo weights publish`.
        starts: recipe → checkpoint in place of a run of it that is started from.
        settings: `"key=value"` changes to the recipe.
        data_options: of the dataset, in training and evaluation.
        loading: options of all that reads images, which change no result: workers, quiet.
        device: of training and evaluation, as an option.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.cli.main import main
        >>> from pylon_zoo.experiments.releases import find_release
        >>> releasing = Releasing(find_release("nih-cxr14"), main, Path(mkdtemp()), data=["nih-cxr14:/data/nih"])
        >>> [step.name for step in releasing.steps()][-4:]
        ['choose', 'publish', 'patch', 'verify']
    """

    release: Release
    command: Callable[[Sequence[str]], int]
    folder: Path
    data: Sequence[str] = ()
    seeds: Sequence[int] = (0,)
    repo: str = ""
    facts: Sequence[str] = ()
    starts: Mapping[str, str] = field(default_factory=dict)
    settings: Sequence[str] = ()
    data_options: Mapping[str, Any] = field(default_factory=dict)
    loading: Sequence[str] = ()
    device: Sequence[str] = ()

    def steps(self) -> list[Step]:
        """All steps in order; those behind the choice speak of it once it is made, so ask again after each."""
        start = self.release.row.start
        given = self.starts.get(start, "")
        before = [] if given or not start else list(self._trained(start, (0,)))
        source = given or (str(self._run(start, 0)) if start else "")
        made = () if given or not start else (Path(source, RUN_CHECKPOINT, WEIGHTS_FILE),)
        mine = self._trained(self.release.recipe, self.seeds, source, made)
        measured = [self._evaluated(seed) for seed in self.seeds]
        behind = [self._chosen(), self._published(), self._patched(), self._verified()]
        return list({step.mark: step for step in (*before, *mine, *measured, *behind)}.values())

    @property
    def place(self) -> Path:
        """The release's own folder."""
        return self.folder / "release" / run_name(self.weights, self._changes)

    @property
    def manifest(self) -> Path:
        """The manifest that the published entry is written to."""
        return self.place / MANIFEST_FILE

    @property
    def patch(self) -> Path:
        """The patch for the package's own."""
        return self.place / PATCH

    @property
    def weights(self) -> str:
        """`<architecture>.<tag>` of what is published, whose architecture a setting may have changed."""
        return f"{self._recipe().model.architecture}.{self.release.entry.tag}"

    def _trained(
        self, name: str, seeds: Sequence[int], start: str = "", reads: tuple[Path, ...] = ()
    ) -> Iterator[Step]:
        """The copy of the data that a recipe takes, and its runs."""
        supply = self._supply(self._recipe(name))
        if supply.copy is not None:
            yield self._typed(
                f"prepare {supply.copy.name}",
                supply.preparing(),
                supply.copy.with_name(f"{supply.copy.name}.{MARK}"),
                writes=(supply.copy / PREPARED,),
                traces=supply.copy,
                needs=supply.needs,
                how=self.loading,
            )
        options = [word for setting in self._changes for word in ("--set", setting)]
        if start:
            options += ["--set", f"transfer.checkpoint={json.dumps(start)}"]
        for seed in seeds:
            run = self._run(name, seed)
            words = ["train", name, "--data", supply.used, *options, "--seed", str(seed), "--out", str(run), "--resume"]
            yield self._typed(
                f"train {name}, seed {seed}",
                words,
                run / f"train.{MARK}",
                reads=reads,
                writes=(run / LOG / SUMMARY, run / RUN_CHECKPOINT / WEIGHTS_FILE),
                traces=run / RECIPE,
                needs=supply.needs,
                how=(*self.device, *self.loading),
            )

    def _evaluated(self, seed: int) -> Step:
        """A run judged on the test images."""
        run = self._run(self.release.recipe, seed)
        return self._typed(
            f"evaluate {self.release.recipe}, seed {seed}",
            self._evaluation(run),
            run / f"{TEST}.{MARK}",
            reads=(run / RUN_CHECKPOINT / WEIGHTS_FILE,),
            writes=(run / TEST / METRICS_FILE, run / TEST / "report.html"),
            how=(*self.device, *self.loading),
        )

    def _evaluation(self, run: Path) -> list[str]:
        """The words that judge a run."""
        recipe, grid = self._recipe(), self.release.grid
        words = ["evaluate", "--checkpoint", str(run), "--data", self._supply(recipe).used, "--split", grid.split]
        options = [f"{key}={json.dumps(value)}" for key, value in recipe.data.options.items()]
        words += [word for option in options for word in ("--data-option", option)]
        return [*words, "--placement", grid.placement, "--out", str(run / TEST)]

    def _chosen(self) -> Step:
        """The run that is published."""
        runs = {seed: self._run(self.release.recipe, seed) for seed in self.seeds}
        file = self.place / CHOICE

        def act() -> int:
            make_folder(self.place)
            print(f"Chosen: {choose(runs, file)}.")
            return 0

        summaries = tuple(run / LOG / SUMMARY for run in runs.values())
        return Step("choose", "take the run of lowest validation loss", act, self._mark("choose"), summaries, (file,))

    def _published(self) -> Step:
        """The chosen run on the Hub."""
        choice, entry = chosen(self.place / CHOICE), self.release.entry
        run = Path(choice["run"] if choice else NOBODY_CHOSEN)
        seed = choice["seed"] if choice else "<seed>"
        recipe = " ".join([self.release.recipe, "with", *self._changes, f"loop.seed={seed}"])
        words = ["weights", "publish", str(run), "--repo", self.repo or "ORG/NAME", "--tag", entry.tag]
        words += ["--evaluation", str(run / TEST), "--command", _shown(self._evaluation(run)), "--recipe", recipe]
        words += ["--training-data", entry.training_data]
        words += [word for alias in entry.aliases for word in ("--alias", alias)]
        return self._typed(
            "publish",
            [*words, *self.facts, "--manifest", str(self.manifest)],
            self._mark("publish"),
            reads=(run / RUN_CHECKPOINT / WEIGHTS_FILE, run / TEST / METRICS_FILE, self.place / CHOICE),
            writes=(self.manifest,),
            needs=self._of_the_hub(),
            late=True,
            how=("--quiet",),
        )

    def _patched(self) -> Step:
        """The entry as a patch of the package's manifest."""

        def act() -> int:
            values = json.loads(self.manifest.read_text(encoding="utf-8"))["weights"][self.weights]
            write_text(self.patch, entry_patch(self.weights, values))
            return 0

        what = f"write {self.patch}, for git apply"
        return Step("patch", what, act, self._mark("patch"), (self.manifest,), (self.patch,))

    def _verified(self) -> Step:
        """The published weights, loaded by a process that knows nothing but their manifest."""
        file = self.place / VERIFIED
        words = ["weights", "verify", self.weights]

        def act() -> int:
            environment = {**os.environ, MANIFEST_VARIABLE: str(self.manifest.absolute())}
            command = [sys.executable, "-m", "pylon_zoo", *words]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8")
            print(done.stdout, end="", flush=True)
            if done.returncode == 0:
                write_text(file, done.stdout)
            return done.returncode

        does = f"{MANIFEST_VARIABLE}={self.manifest} {_shown(words)}"
        return Step("verify", does, act, self._mark("verify"), (self.manifest,), (file,))

    def _typed(
        self,
        name: str,
        words: Sequence[str],
        mark: Path,
        *,
        reads: tuple[Path, ...] = (),
        writes: tuple[Path, ...] = (),
        traces: Path | None = None,
        needs: str = "",
        late: bool = False,
        how: Sequence[str] = (),
    ) -> Step:
        """A step that is a command of `pylon-zoo`."""
        return Step(name, _shown(words), lambda: self.command([*words, *how]), mark, reads, writes, traces, needs, late)

    def _mark(self, name: str) -> Path:
        return self.place / f"{name}.{MARK}"

    def _supply(self, recipe: Recipe) -> Supply:
        return supply_of(recipe, self.data, self.folder)

    def _recipe(self, name: str = "") -> Recipe:
        return load_recipe(name or self.release.recipe, self._changes)

    def _run(self, recipe: str, seed: int) -> Path:
        return self.folder / run_name(recipe, self._changes) / f"seed-{seed}"

    def _of_the_hub(self) -> str:
        """What is missing to publish."""
        from huggingface_hub import get_token

        if not self.repo:
            return "--publish ORG/NAME"
        return "" if get_token() else "a token of the Hub: `hf auth login`, or HF_TOKEN"

    @property
    def _changes(self) -> list[str]:
        """What the recipe is changed by."""
        return [*data_settings(self.data_options), *self.settings]


def _shown(words: Sequence[str]) -> str:
    """A command as it is typed."""
    return shlex.join(["pylon-zoo", *words])
