"""`pylon-zoo data check`: a dataset read once, what is in it, all that is wrong with it, and what may be."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pylon_zoo.cli.arguments import add_data_options, add_quiet, add_workers, data_options, shows_progress

if TYPE_CHECKING:
    from pylon_zoo.data.check import DatasetReport

SHOWN_PROBLEMS = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the action."""
    parser.add_argument("data", metavar="NAME[:DIR]", help="dataset, such as nih-cxr14:DIR, voc:DIR or csv:DIR")
    add_data_options(parser)
    parser.add_argument(
        "--all-problems", action="store_true", help=f"show all problems and remarks, not the first {SHOWN_PROBLEMS}"
    )
    add_workers(parser)
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """Read everything once and report; 1 when there are problems, remarks or not."""
    from pylon_zoo.data.check import check_dataset

    report = check_dataset(args.data, data_options(args), workers=args.workers, progress=shows_progress(args))
    if not args.quiet:
        print("\n\n".join(_tables(report)))
    limit = None if args.all_problems else SHOWN_PROBLEMS
    _list(report.problems, limit)
    if not args.quiet:
        _list([f"remark: {remark}" for remark in report.remarks], limit)
        counts = [_counted("problem", len(report.problems))]
        counts += [_counted("remark", len(report.remarks))] * bool(report.remarks)
        print(f"\n{', '.join(counts)}.")
    return 1 if report.problems else 0


def _list(sentences: list[str], limit: int | None) -> None:
    for sentence in sentences[:limit]:
        print(sentence, file=sys.stderr)
    left = len(sentences) - len(sentences[:limit])
    if left:
        print(f"… and {left} more; --all-problems shows them.", file=sys.stderr)


def _counted(word: str, number: int) -> str:
    return f"{number or 'No'} {word}{'s' * (number != 1)}"


def _tables(report: DatasetReport) -> list[str]:
    """Splits, labels and boxes as text."""
    tables = [_aligned(_split_rows(report))]
    if report.splits:
        tables.append("images with each label (present / unknown)\n" + _aligned(_label_rows(report)))
    boxes = _box_rows(report)
    if len(boxes) > 1:
        tables.append("boxes (medians; area in % of the image, 10th to 90th percentile)\n" + _aligned(boxes))
    return tables


def _split_rows(report: DatasetReport) -> list[list[str]]:
    rows = [["split", "images", "patients", "boxes", "decoded", "smallest", "largest"]]
    for split in report.splits:
        by_area = sorted(split.sizes, key=lambda size: size[0] * size[1])
        ends = [f"{width}×{height}" for width, height in (by_area[0], by_area[-1])] if by_area else ["–", "–"]
        counts = (split.images, split.patients, len(split.boxes), split.sizes.total())
        rows.append([split.split, *(f"{count:,}" for count in counts), *ends])
    return rows


def _label_rows(report: DatasetReport) -> list[list[str]]:
    rows = [["label", *(split.split for split in report.splits)]]
    masked = any(any(split.masks) for split in report.splits)
    if masked:
        rows[0] += [f"{split.split} masks" for split in report.splits]
    for index, name in enumerate(report.classes):
        cells = [f"{split.present[index]:,} / {split.unknown[index]:,}" for split in report.splits]
        rows.append([name, *cells, *(f"{split.masks[index]:,}" for split in report.splits if masked)])
    return rows


def _box_rows(report: DatasetReport) -> list[list[str]]:
    import torch

    rows = [["label", "boxes", "width", "height", "area", "from", "to"]]
    boxes = torch.cat([split.boxes for split in report.splits]) if report.splits else torch.zeros(0, 4)
    for index, name in enumerate(report.classes):
        of_class = boxes[boxes[:, 0] == index]
        if len(of_class):
            width, height, area = of_class[:, 1:4].quantile(0.5, dim=0).tolist()
            low, high = of_class[:, 3].quantile(torch.tensor([0.1, 0.9])).tolist()
            shares = (f"{100 * share:.1f}" for share in (area, low, high))
            rows.append([name, f"{len(of_class):,}", f"{width:.0f}", f"{height:.0f}", *shares])
    return rows


def _aligned(rows: list[list[str]]) -> str:
    """Columns side by side, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in rows
    )
