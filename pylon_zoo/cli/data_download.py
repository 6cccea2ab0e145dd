"""`pylon-zoo data download NAME DIR`: a release into the folder that `--data NAME:DIR` reads, or how to get it."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pylon_zoo.cli.arguments import add_quiet, positive_int, shows_progress
from pylon_zoo.cli.names import names_in
from pylon_zoo.errors import ConfigError

if TYPE_CHECKING:
    from pylon_zoo.data.download.patience import Watch
    from pylon_zoo.data.download.table import Agreement, Release

SHOWN_PROBLEMS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the action."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="dataset, such as nih-cxr14, voc or vindr-cxr")
    parser.add_argument("root", metavar="DIR", nargs="?", help="its folder; --data NAME:DIR then takes it")
    parser.add_argument(
        "--list", action="store_true", help="show what there is, or the parts of NAME: sizes, terms, where from"
    )
    parser.add_argument(
        "--only", metavar="A,B", help="parts of the release, such as tables,test; * stands for anything"
    )
    parser.add_argument("--from", dest="source", metavar="SOURCE", help="where to take it from; see --list")
    parser.add_argument(
        "--check",
        action="store_true",
        help="download nothing: read every file that is there, and name what is not right",
    )
    parser.add_argument(
        "--connections", type=positive_int, default=4, metavar="N", help="files at a time (default: %(default)s)"
    )
    parser.add_argument("--keep-archives", action="store_true", help="leave archives in DIR/.download when unpacked")
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """List, download, check, or say how to get it; 1 when something is missing."""
    from pylon_zoo.data.download.plan import find_release, find_source
    from pylon_zoo.data.download.table import Agreement

    if args.list:
        print("\n\n".join(_listed(args.name)))
        return 0
    if args.name is None or args.root is None:
        raise ConfigError("Give a name and a folder: pylon-zoo data download NAME DIR. What there is: --list")
    name, release = find_release(args.name)
    source = find_source(name, release, args.source)
    root = Path(args.root).expanduser()
    if isinstance(release, Agreement):
        return _explain(args, name, release, source, root)
    if args.check:
        return _check(args, root)
    return _download(args, name, release, source, root)


def _download(args: argparse.Namespace, name: str, release: Release, source: str, root: Path) -> int:
    from pylon_zoo.data.download.plan import find_parts
    from pylon_zoo.data.registry import shown_name

    only = names_in(args.only or "")
    find_parts(name, release.sources[source], only)  # a mistyped one is said at once
    from pylon_zoo.data.download import download

    if not args.quiet:
        print(f"{release.what}\nTerms: {release.terms} ({release.home})", flush=True)
    try:
        outcome = download(
            args.name,
            root,
            only=only,
            source=source,
            connections=args.connections,
            keep_archives=args.keep_archives,
            progress=shows_progress(args),
            notes=not args.quiet,
        )
    except KeyboardInterrupt:
        print("What has arrived is kept: the same command goes on with it.", file=sys.stderr)
        raise
    code = 0
    for option in outcome.options or ("",):
        options = (option,) if option else ()
        code = max(code, _opened(args, name, root, options, whole=outcome.whole))
    if not args.quiet:
        print(f"{outcome.done} files downloaded, {outcome.kept} were there")
        for option in outcome.options or ("",):
            wanted = f" --data-option {option}" if len(outcome.options) > 1 else ""
            print(f"Read all of it once: pylon-zoo data check {shown_name(name)}:{shlex.quote(str(root))}{wanted}")
    return code


def _opened(args: argparse.Namespace, name: str, root: Path, options: tuple[str, ...], whole: bool) -> int:
    """Whether the folder opens as the dataset; where parts were left out, some of its splits may not."""
    from pylon_zoo.data.download.arrived import open_splits

    splits = open_splits(name, root, options)
    for split, value in splits.items():
        if isinstance(value, int) and not args.quiet:
            print(f"{' '.join((split, *options))}: {value:,} images")
    problems = [value for value in splits.values() if isinstance(value, str)]
    if problems and whole:
        print(problems[0], file=sys.stderr)
    return int(bool(problems) and whole)


def _check(args: argparse.Namespace, root: Path) -> int:
    from pylon_zoo.data.download.arrived import lost_and_damaged

    problems = list(lost_and_damaged(root, _watch()))
    _show(problems)
    if not args.quiet:
        print(f"{len(problems) or 'No'} problem{'s' * (len(problems) != 1)}.")
    if problems:
        print("Delete what has other bytes; without --check, what is gone is then downloaded again.", file=sys.stderr)
    return int(bool(problems))


def _explain(args: argparse.Namespace, name: str, release: Agreement, source: str, root: Path) -> int:
    """How to get a release that needs a login, and what is missing of it."""
    from pylon_zoo.data.download.arrived import SUMS, missing_of
    from pylon_zoo.data.registry import shown_name

    if args.only:
        raise ConfigError(f"--only names parts of what is downloaded here; '{shown_name(name)}' needs a login.")
    way = release.sources[source]
    problems = [f"'{root}' does not exist: nothing of the release is there yet."]
    if root.is_dir():
        problems = list(missing_of(name, root, way, _watch() if args.check else None))
    if problems and not args.quiet:
        print(f"{release.what}\nTerms: {release.terms} ({release.home})\n")
        number = 0
        for step in way.steps:
            text = step.format(root=shlex.quote(str(root)))
            number += not text.startswith("$")
            print(f"   {text[1:]}" if text.startswith("$") else f"{number}. {text}")
        others = [other for other in release.sources if other != source]
        print("".join(f"\nOr --from {other}." for other in others))
    _show(problems)
    if args.check and root.is_dir() and not (root / SUMS).is_file() and not args.quiet:
        print(f"There is no {SUMS} in '{root}': files were counted, and none was read.")
    if not problems and not args.quiet:
        print(f"All of it is there. Read it once: pylon-zoo data check {shown_name(name)}:{shlex.quote(str(root))}")
    return int(bool(problems))


def _show(problems: list[str]) -> None:
    for problem in problems[:SHOWN_PROBLEMS]:
        print(problem, file=sys.stderr)
    if len(problems) > SHOWN_PROBLEMS:
        print(f"… and {len(problems) - SHOWN_PROBLEMS} more", file=sys.stderr)


def _watch() -> Watch:
    import threading

    from pylon_zoo.data.download.patience import Watch

    return Watch(lambda size: None, lambda sentence: None, threading.Event())


def _listed(name: str | None) -> Iterator[str]:
    """What there is, or the parts of one release."""
    from pylon_zoo.data.download import AGREEMENTS, RELEASES
    from pylon_zoo.data.download.plan import find_release
    from pylon_zoo.data.download.table import Agreement
    from pylon_zoo.data.registry import shown_name

    if name is not None:
        known, release = find_release(name)
        yield _heading(known, release)
        if not isinstance(release, Agreement):
            yield "\n\n".join(_parts(release, source) for source in release.sources)
        return
    yield "Downloaded by `pylon-zoo data download NAME DIR`:"
    yield from (_heading(known, release) for known, release in RELEASES.items())
    yield "Behind a login; `pylon-zoo data download NAME DIR` says how, and checks what arrived:"
    yield from (_heading(known, release) for known, release in AGREEMENTS.items())
    yield f"Parts, sizes and addresses of one: pylon-zoo data download {shown_name(next(iter(RELEASES)))} --list"


def _heading(name: str, release: Release | Agreement) -> str:
    from pylon_zoo.data.download.table import Release
    from pylon_zoo.data.registry import shown_name

    lines = [shown_name(name), f"  {release.what}"]
    if isinstance(release, Release):
        lines.append(f"  size   {_size(release)}")
    lines += [f"  terms  {release.terms}", f"  page   {release.home}", f"  from   {', '.join(release.sources)}"]
    if isinstance(release, Release) and release.note:
        lines.append(f"  note   {release.note}")
    return "\n".join(lines)


def _size(release: Release) -> str:
    from pylon_zoo.data.download.plan import in_bytes

    parts = next(iter(release.sources.values())).values()
    sizes = [file.size for part in parts if part.default for file in part.files]
    known = sum(size for size in sizes if size)
    return release.about or (in_bytes(known) if all(sizes) else f"{in_bytes(known)}, and images: not published")


def _parts(release: Release, source: str) -> str:
    from pylon_zoo.data.download.plan import in_bytes

    lines = [f"from {source}"]
    for name, part in release.sources[source].items():
        asked = "" if part.default else " (only if asked for)"
        if part.listed_in:
            lines.append(f"  {name}{asked}: of all archives, the images that {part.listed_in} lists")
            continue
        lines.append(f"  {name}{asked}")
        for file in part.files:
            facts = [in_bytes(file.size) if file.size else "size as the server says", file.checksum.partition(":")[0]]
            lines.append(f"    {file.name}  {', '.join(filter(None, facts))}  {file.addresses[0]}")
    return "\n".join(lines)
