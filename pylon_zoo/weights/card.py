"""The model card: what the weights are, what they score, how to load them, and what they are not for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pylon_zoo.models.methods import split_name
from pylon_zoo.weights.entry import NOT_STATED

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TEMPLATE = Path(__file__).with_name("card_template.md")
COLUMNS = ("class", "images", "positives", "auroc", "boxed_images", "point_accuracy")
AVERAGES = {"macro": "macro average", "weighted": "weighted average"}
HUB_METRICS = {"auroc": ("roc_auc", "AUROC, macro average"), "point_accuracy": ("accuracy", "point accuracy, macro")}
"""Figure → the Hub's name of the metric, and ours."""
IN_TIMM = ("pylon",)
"""Methods whose names timm knows after `import pylon_zoo`."""


def model_card(repo: str, name: str, values: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """The README of a repository of weights.

    Args:
        repo: `org/name`.
        name: `<architecture>.<tag>`.
        values: the fields of their manifest entry, as JSON.
        config: the content of `config.json`.

    Returns:
        Markdown with YAML at its head. What is not known reads "not stated".
    """
    from huggingface_hub import ModelCard, ModelCardData

    stated = {
        key: values.get(key) or NOT_STATED
        for key in ("weights_licence", "code_licence", "training_data", "split_hash", "recipe")
    }
    metrics, architecture = values.get("metrics") or {}, name.partition(".")[0]
    method, backbone = split_name(architecture)
    data = ModelCardData(
        model_name=name,
        license="unknown" if stated["weights_licence"] == NOT_STATED else stated["weights_licence"].lower(),
        # Not "timm": the snippet the Hub shows for it would lack `import pylon_zoo`.
        library_name="pylon_zoo",
        pipeline_tag="image-classification",
        tags=["image-classification", "timm", "explainability", "heatmap", "weakly-supervised-localization", method],
        eval_results=list(_results(metrics)) or None,
    )
    facts = {
        "Architecture": f"`{architecture}`: {method} on timm's {backbone}",
        "Classes": f"{values['num_classes']} ({config['activation']})",
        "Input": "{}×{}×{} (channels, height, width), {}, mean {}, standard deviation {} of [{:g}, {:g}]".format(
            *values["input_size"], values["interpolation"], values["mean"], values["std"], *values["input_range"]
        ),
        "Training data": stated["training_data"],
        "Split, sha256": stated["split_hash"],
        "Recipe": stated["recipe"],
        "Validation while training": _pairs(
            {key: value for key, value in (config.get("training") or {}).items() if key != "split_hash"}
        ),
        "Imported from": _pairs(config.get("imported_from")),
        "Weights, sha256": f"`{values['files']['model.safetensors']['sha256']}`",
        "Licence of the weights": stated["weights_licence"],
    }
    card = ModelCard.from_template(
        data,
        template_path=str(TEMPLATE),
        repo=repo,
        name=name,
        title=f"A {method} classifier on {backbone} for {values['num_classes']} classes.",
        architecture=architecture,
        method=method,
        in_timm=method in IN_TIMM,
        backbone=backbone,
        facts={key: fact for key, fact in facts.items() if fact},
        rows=list(_rows(metrics)),
        measured=_measured(metrics),
        unmeasured=f"Metrics: {NOT_STATED}.",
        command=metrics.get("command"),
        labels=", ".join(values["label_names"]),
        **{key: stated[key] for key in ("weights_licence", "code_licence", "training_data")},
    )
    return str(card)


def _rows(metrics: Mapping[str, Any]) -> Iterator[list[str]]:
    """The cells of the table, class by class, averages last."""
    for row in metrics.get("classes", ()):
        yield [_cell(row.get(column)) for column in COLUMNS]
    for key, title in AVERAGES.items():
        if average := metrics.get(key):
            yield [f"**{title}**", *(_cell(average[column]) if column in average else "" for column in COLUMNS[1:])]


def _results(metrics: Mapping[str, Any]) -> Iterator[EvalResult]:
    """The averages as the Hub's model index has them; plain floats, because YAML would write out numpy's innards."""
    from huggingface_hub import EvalResult

    for key, (kind, title) in HUB_METRICS.items():
        value = metrics.get("macro", {}).get(key)
        if value is not None:
            yield EvalResult(
                task_type="image-classification",
                dataset_type=metrics["dataset"],
                dataset_name=metrics["dataset"],
                dataset_split=metrics["split"],
                metric_type=kind,
                metric_name=title,
                metric_value=round(float(value), 6),
            )


def _measured(metrics: Mapping[str, Any]) -> str:
    if not metrics:
        return ""
    size = "×".join(map(str, metrics.get("input_size", ())))
    return f"On {metrics['images']} images of {metrics['dataset']}, split {metrics['split']}, at {size} pixels."


def _cell(value: Any) -> str:
    text = "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
    return text.replace("|", r"\|")  # which would end the cell


def _pairs(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{key} {_cell(value)}" for key, value in (values or {}).items() if value is not None)
