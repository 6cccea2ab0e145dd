"""`pylon-zoo weights`: what there is, the authors' checkpoints, and (for maintainers) what ships in the package."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pylon_zoo.weights.entry import Entry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="every set of weights in the manifest")
    info = actions.add_parser("info", help="all that is known of one")
    info.add_argument("name", metavar="NAME", help="a name of `pylon-zoo weights list`")

    official = actions.add_parser("import-official", help="turn a checkpoint of the paper's authors into one of ours")
    official.add_argument(
        "file", metavar="FILE", help="their file: a PyTorch checkpoint, or a zip or tar archive of some"
    )
    official.add_argument("--out", required=True, metavar="DIR", help="folder for config.json and model.safetensors")
    official.add_argument("--member", metavar="NAME", help="which checkpoint of an archive that holds several")

    bundle = actions.add_parser("bundle", help="put a run's best checkpoint into the package (for maintainers)")
    bundle.add_argument("run", metavar="RUN", help="a run's folder, or a checkpoint folder")
    bundle.add_argument(
        "--name", required=True, metavar="NAME", help="architecture and tag: pylon_resnet18.phantom_cxr"
    )
    bundle.add_argument(
        "--evaluation", metavar="DIR", help="folder of `pylon-zoo evaluate` with the metrics to publish"
    )
    bundle.add_argument("--command", metavar="TEXT", help="the command that made that evaluation")
    bundle.add_argument("--recipe", metavar="TEXT", help="what trained the weights")
    bundle.add_argument("--training-data", metavar="TEXT", help="what they saw")
    bundle.add_argument("--licence", metavar="SPDX", dest="weights_licence", help="licence of the weights")
    bundle.add_argument("--alias", metavar="TAG", dest="aliases", action="append", help="another tag; may be repeated")


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    return ACTIONS[args.action](args)


def list_weights(args: argparse.Namespace) -> int:
    """One line per set of weights."""
    from pylon_zoo.weights.manifest import load_manifest

    entries = load_manifest()
    if not entries:
        print("The manifest names no weights yet.")
    width = max(map(len, entries), default=0)
    for name, entry in entries.items():
        size = f"{entry.bytes / 1e6:5.1f} MB" if entry.bytes else "       –"
        print(f"{name:<{width}}  {entry.source:<7}  {size}  {entry.num_classes} classes, {entry.training_data}")
    return 0


def show_info(args: argparse.Namespace) -> int:
    """Every field of one entry, a line each; metrics as JSON."""
    from pylon_zoo.errors import UnknownNameError
    from pylon_zoo.weights.manifest import find, what_can_be_had

    architecture, _, tag = args.name.partition(".")
    if not tag:
        raise UnknownNameError(f"{args.name!r} names no weights: it has no tag. {what_can_be_had()}")
    values = fields_of(find(architecture, tag))
    width = max(map(len, values))
    for key, value in values.items():
        print(f"{key:<{width}}  {value}")
    return 0


def fields_of(entry: Entry) -> dict[str, str]:
    """The fields of an entry that say something, as text."""
    values: dict[str, Any] = vars(entry) | {"files": {name: vars(record) for name, record in entry.files.items()}}
    return {key: _text(value) for key, value in values.items() if value not in (None, (), {})}


def import_official(args: argparse.Namespace) -> int:
    """Convert a file; nothing is written unless all of it fits."""
    from pathlib import Path

    from pylon_zoo.files import check_folder
    from pylon_zoo.weights import import_official
    from pylon_zoo.weights.checkpoint import save_checkpoint
    from pylon_zoo.weights.integrity import read_bytes, record_of

    check_folder(args.out)
    file = Path(args.file)
    model = import_official(file, member=args.member)
    origin = {"file": file.name, "sha256": record_of(read_bytes(file)).sha256, "member": args.member}
    save_checkpoint(model, args.out, imported_from=origin)
    size = "×".join(map(str, model.pretrained_cfg["input_size"][1:]))
    print(
        f"{model.architecture}, {model.num_classes} classes, {model.in_chans} channel(s), {size} px\n"
        f"labels: {', '.join(model.label_names)}\n"
        f"Written to {args.out}. Try: pylon-zoo explain IMAGE --checkpoint {args.out} --out report"
    )
    return 0


def bundle(args: argparse.Namespace) -> int:
    """Write the folder in the package and the manifest's entry."""
    from pylon_zoo.weights.bundling import bundle_checkpoint

    given = {name: getattr(args, name) for name in ("recipe", "training_data", "weights_licence", "aliases")}
    stated = {name: value for name, value in given.items() if value is not None}
    entry = bundle_checkpoint(args.run, args.name, evaluation=args.evaluation, command=args.command, **stated)
    print(f"Bundled {entry.name}: {entry.bytes} bytes, sha256 {entry.sha256}")
    if not entry.metrics:
        print(f"It has no metrics yet: evaluate it with --model {entry.name}, then bundle again with --evaluation.")
    return 0


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


ACTIONS = {"list": list_weights, "info": show_info, "import-official": import_official, "bundle": bundle}
