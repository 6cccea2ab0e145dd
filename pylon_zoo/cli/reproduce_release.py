"""`pylon-zoo reproduce release NAME --data NAME:DIR --publish ORG/NAME`: from a dataset to weights on the Hub."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pylon_zoo.errors import ConfigError

if TYPE_CHECKING:
    from pylon_zoo.experiments.releasing import Releasing
    from pylon_zoo.experiments.steps import Step

WORD = "release"
"""In place of a table's name."""
SEEDS = 1
OURS = {"name": "NAME", "publish": "--publish", "licence": "--licence", "private": "--private", "dry_run": "--dry-run"}
"""Options that mean something for a release alone; those of `THEIRS` mean nothing for one."""
THEIRS = {"rows": "--rows", "csv": "--csv", "jobs": "--jobs"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of a release, beside those of a table."""
    parser.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        help="after the word release: weights to make; without one they are listed",
    )
    group = parser.add_argument_group("from a dataset to weights on the Hub: pylon-zoo reproduce release NAME")
    group.add_argument(
        "--publish",
        metavar="ORG/NAME",
        help="repository of the Hub for the weights; without one none is written to",
    )
    group.add_argument("--licence", metavar="SPDX", help="licence of the weights, for their card")
    group.add_argument("--private", action="store_true", help="make a new repository private")
    group.add_argument("--dry-run", action="store_true", help="show the steps, their state and what is missing")


def check(args: argparse.Namespace) -> None:
    """Refuse options that belong to the other kind of command.

    Raises:
        ConfigError: there are some; names the first.
    """
    released = args.table == WORD
    for option, written in (THEIRS if released else OURS).items():
        if getattr(args, option):
            other = "a table" if released else f"`pylon-zoo reproduce {WORD} NAME`"
            raise ConfigError(f"{written} is for {other}; leave it out, or see pylon-zoo reproduce --help.")


def run(args: argparse.Namespace) -> int:
    """Do what is left of a release, or show it."""
    from pylon_zoo.experiments.releases import find_release, list_releases

    if args.name is None:
        releases = list_releases()
        width = max(len(release.name) for release in releases)
        for release in releases:
            print(f"{release.name:<{width}}  {release.recipe}: {release.entry.training_data}")
        return 0
    release = find_release(args.name)  # may be mistyped, so before all that is slow to import
    from pylon_zoo.cli.arguments import data_options
    from pylon_zoo.cli.main import main
    from pylon_zoo.experiments.releasing import Releasing

    seeds = args.seeds or SEEDS
    facts = [*(["--licence", args.licence] if args.licence else []), *(["--private"] if args.private else [])]
    releasing = Releasing(
        release,
        main,
        args.out,
        data=args.data,
        seeds=range(args.first_seed, args.first_seed + seeds),
        repo=args.publish or "",
        facts=facts,
        starts=dict(given.split("=", 1) for given in args.start),
        settings=args.settings,
        data_options=data_options(args),
        loading=["--workers", str(args.workers), *(["--quiet"] if args.quiet else [])],
        device=["--device", args.device] if args.device else [],
    )
    return show(releasing) if args.dry_run else go(releasing, quiet=args.quiet)


def show(releasing: Releasing) -> int:
    """The steps, their state and what is missing; nothing is done."""
    from pylon_zoo.experiments.steps import DONE

    states = [(step, step.state) for step in releasing.steps()]
    for step, state in states:
        print(f"{state:<5}  {step.name}\n       {step.does}")
    missing = dict.fromkeys(step.needs for step, state in states if state != DONE and step.needs)
    print(f"Missing: {'; '.join(missing)}." if missing else "Nothing is missing.")
    return 0


def go(releasing: Releasing, *, quiet: bool) -> int:
    """Do one step after the other, from the first that is not done.

    Raises:
        ConfigError: something is missing that must be there from the start.
    """
    from pylon_zoo.experiments.steps import DONE
    from pylon_zoo.files import make_folder
    from pylon_zoo.lock import locked

    steps = releasing.steps()
    for step in steps:
        if step.needs and not step.late and step.state != DONE:
            raise ConfigError(f"The release lacks {step.needs}. Give it, then run the same command again.")
    make_folder(releasing.place)
    with locked(releasing.place):
        for place in range(len(steps)):
            step = releasing.steps()[place]  # asked again, for what is chosen is known only by now
            if step.state == DONE:
                continue
            if step.needs:
                return _wait(step)
            if not quiet:
                print(f"[{place + 1}/{len(steps)}] {step.name}\n    {step.does}", flush=True)
            if code := step.act():
                print(f"Stopped at: {step.name}. The same command goes on from there.", flush=True)
                return code
            step.note()
    if not quiet:
        manifest, patch = releasing.manifest, releasing.patch
        print(
            f"{releasing.weights} is published and was loaded back.\n"
            f"Known by name now: PYLON_ZOO_MANIFEST={manifest}\n"
            f"Known to everybody by: git apply {patch}"
        )
    return 0


def _wait(step: Step) -> int:
    """What has to be given before a step can be done."""
    print(f"Before the step '{step.name}': it lacks {step.needs}. Give it, then run the same command again.")
    return 0
