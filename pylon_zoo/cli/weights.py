"""`pylon-zoo weights`: what there is, whether it is right, publishing, the authors' checkpoints, and bundling."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from pylon_zoo.cli.arguments import add_quiet

if TYPE_CHECKING:
    from pylon_zoo.weights.entry import Entry
    from pylon_zoo.weights.publishing import Publication


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="every set of weights in the manifest")
    info = actions.add_parser("info", help="all that is known of one")
    info.add_argument("name", metavar="NAME", help="a name of `pylon-zoo weights list`")
    verify = actions.add_parser("verify", help="compare bytes, hashes and golden outputs with what was published")
    verify.add_argument("names", nargs="*", metavar="NAME", help="which; by default all that can be had")

    publish = actions.add_parser("publish", help="upload a trained model to the Hugging Face Hub")
    publish.add_argument("run", metavar="DIR", help="a run's folder, or a checkpoint folder")
    publish.add_argument("--repo", required=True, metavar="ORG/NAME", help="repository; created if it is not there")
    publish.add_argument("--private", action="store_true", help="make a new repository private")
    publish.add_argument("--dry-run", action="store_true", help="show what would be uploaded; no connection is made")
    publish.add_argument("--manifest", metavar="FILE", help="write the entry into this manifest too")
    publish.add_argument("--tag", metavar="TAG", help="the weights' tag; by default from the repository's name")
    add_facts(publish)
    add_quiet(publish)

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
    add_facts(bundle)


def add_facts(parser: argparse.ArgumentParser) -> None:
    """What the files of a run do not say."""
    parser.add_argument(
        "--evaluation", metavar="DIR", help="folder of `pylon-zoo evaluate` with the metrics to publish"
    )
    parser.add_argument("--command", metavar="TEXT", help="the command that made that evaluation")
    parser.add_argument("--recipe", metavar="TEXT", help="what trained the weights")
    parser.add_argument("--training-data", metavar="TEXT", help="what they saw")
    parser.add_argument("--split-hash", metavar="SHA256", help="sha256 of the list of images they were trained on")
    parser.add_argument("--licence", metavar="SPDX", dest="weights_licence", help="licence of the weights")
    parser.add_argument("--alias", metavar="TAG", dest="aliases", action="append", help="another tag; may be repeated")


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
    values = fields_of(entry_named(args.name))
    width = max(map(len, values))
    for key, value in values.items():
        print(f"{key:<{width}}  {value}")
    return 0


def verify(args: argparse.Namespace) -> int:
    """One line per set of weights; 1 if any is not right."""
    from pylon_zoo.weights.manifest import load_manifest

    entries = [entry_named(name) for name in args.names] or [
        entry for entry in load_manifest().values() if entry.available
    ]
    from pylon_zoo.weights.verification import verify_weights

    verdicts = []
    for entry in entries:
        verdicts.append(verify_weights(entry))
        print(f"{'right' if verdicts[-1].right else 'WRONG'}  {entry.name}: {verdicts[-1].reason}", flush=True)
    return 0 if all(verdict.right for verdict in verdicts) else 1


def entry_named(name: str) -> Entry:
    """The manifest's entry of a name with a tag.

    Raises:
        UnknownNameError: there is none.
    """
    from pylon_zoo.errors import UnknownNameError
    from pylon_zoo.weights.manifest import find, what_can_be_had

    architecture, _, tag = name.partition(".")
    if not tag:
        raise UnknownNameError(f"{name!r} names no weights: it has no tag. {what_can_be_had()}")
    return find(architecture, tag)


def fields_of(entry: Entry) -> dict[str, str]:
    """The fields of an entry that say something, as text."""
    values: dict[str, Any] = vars(entry) | {"files": {name: vars(record) for name, record in entry.files.items()}}
    return {key: _text(value) for key, value in values.items() if value not in (None, (), {})}


def publish(args: argparse.Namespace) -> int:
    """Upload, and print the manifest's entry; or show what would be uploaded."""
    from pathlib import Path

    from pylon_zoo.weights.publishing import manifest_content, prepare, publish, write_entry

    if args.manifest:
        manifest_content(Path(args.manifest))  # a file that is no manifest is found before the upload
    facts = {name: getattr(args, name) for name in ("tag", "evaluation", "command")}
    publication = prepare(args.run, args.repo, **facts, **stated_of(args))
    if args.dry_run:
        show_plan(publication)
        return 0
    entry, values, new = publish(publication, private=args.private)
    if not args.quiet:
        print(json.dumps({entry.name: values}, indent=2, ensure_ascii=False))
    done = "Published" if new else "Nothing new to upload: this is published already,"
    print(f"{done} {entry.name} at hf-hub:{entry.repo}@{entry.revision}")
    if args.manifest:
        write_entry(args.manifest, entry.name, values)
        print(f"Written to {args.manifest}. PYLON_ZOO_MANIFEST={args.manifest} makes {entry.name} known by name.")
    return 0


def show_plan(publication: Publication) -> None:
    """What would be uploaded: the card, and a line per file."""
    from pylon_zoo.weights.publishing import CARD_FILE

    print(publication.files[CARD_FILE].decode())
    print(f"\nDry run: {publication.name} would be published to {publication.repo}; nothing was sent.")
    for name, content in publication.files.items():
        print(f"{len(content):>12,} bytes  {name}")


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
    from pylon_zoo.weights.entry import NOT_STATED, STATED

    entry = bundle_checkpoint(args.run, args.name, evaluation=args.evaluation, command=args.command, **stated_of(args))
    print(f"Bundled {entry.name}: {entry.bytes} bytes, sha256 {entry.sha256}")
    if not entry.metrics:
        print(f"It has no metrics yet: evaluate it with --model {entry.name}, then bundle again with --evaluation.")
    if missing := [name.replace("_", " ") for name in STATED if getattr(entry, name) == NOT_STATED]:
        print(f"The entry states no {', '.join(missing)}: options of this command.")
    return 0


def stated_of(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of an entry that were given."""
    from pylon_zoo.weights.entry import STATED

    return {name: getattr(args, name) for name in STATED if getattr(args, name) is not None}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


ACTIONS = {
    "list": list_weights,
    "info": show_info,
    "verify": verify,
    "publish": publish,
    "import-official": import_official,
    "bundle": bundle,
}
