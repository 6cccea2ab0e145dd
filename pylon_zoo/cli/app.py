"""`pylon-zoo app [--model NAME | --checkpoint DIR …]`: a page in the browser to drop images on."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pylon_zoo.cli.arguments import add_data_options, add_device, data_options, load_model, positive_int, resolve_device
from pylon_zoo.cli.names import check_model

if TYPE_CHECKING:
    from pylon_zoo.data.dataset import LabelledDataset
    from pylon_zoo.models.contract import HeatmapClassifier

MODEL, DATA = "pylon_resnet18.phantom_cxr", "phantom"
"""Where nothing is named: the bundled checkpoint, and the drawn radiographs that it knows."""
SIZE = 512
"""Pixels of images that are drawn, for looking at; a model works at its own size."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    group = parser.add_argument_group("models, one or several to compare")
    group.add_argument(
        "--model",
        dest="models",
        action="append",
        default=[],
        metavar="NAME",
        help=f"a name with its weights' tag; may be repeated (default: {MODEL}, with --data {DATA})",
    )
    group.add_argument(
        "--checkpoint",
        dest="checkpoints",
        action="append",
        default=[],
        metavar="DIR",
        help="a checkpoint folder, or the folder of a training run; may be repeated",
    )
    parser.add_argument("--data", metavar="NAME[:DIR]", help="a dataset to look through, with its true boxes")
    add_data_options(parser)
    parser.add_argument("--split", choices=("train", "val", "test"), default="test", help="of --data (default: test)")
    parser.add_argument("--port", type=positive_int, default=7860, metavar="N", help="on 127.0.0.1 (default: 7860)")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    one_by_one = [
        *(argparse.Namespace(model=name, checkpoint=None) for name in args.models),
        *(argparse.Namespace(model=None, checkpoint=folder) for folder in args.checkpoints),
    ] or [argparse.Namespace(model=MODEL, checkpoint=None)]
    for one in one_by_one:
        one.pretrained, one.device = None, args.device
        check_model(one)
    from pylon_zoo.app.serving import HOST, check_port, serve
    from pylon_zoo.app.studio import Studio
    from pylon_zoo.optional import require

    check_port(HOST, args.port)
    require("gradio", extra="app")
    resolve_device(args.device)
    models = {one.model or one.checkpoint: load_model(one) for one in one_by_one}
    serve(Studio(models, dataset(args, models)), port=args.port, open_browser=args.open)
    return 0


def dataset(args: argparse.Namespace, models: dict[str, HeatmapClassifier]) -> LabelledDataset | None:
    """The split to look through: what is named, or the drawn radiographs where nothing is.

    Raises:
        ConfigError: it has no class in common with any of the models.
    """
    from pylon_zoo.data.label_names import match_labels
    from pylon_zoo.data.registry import drawing_options, open_dataset

    spec = args.data or (DATA if not (args.models or args.checkpoints) else None)
    if spec is None:
        return None
    opened = open_dataset(spec, args.split, **{**drawing_options(spec, SIZE), **data_options(args)})
    match_labels([*dict.fromkeys(label for model in models.values() for label in model.label_names)], opened.classes)
    return opened
