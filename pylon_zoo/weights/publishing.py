"""A trained model into a repository of the Hub: weights, description, model card and golden outputs, in one commit."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.files import write_text
from pylon_zoo.weights import manifest
from pylon_zoo.weights.bundling import input_of
from pylon_zoo.weights.card import model_card
from pylon_zoo.weights.checkpoint import checkpoint_folder, json_bytes, model_from, parse_config, parse_weights
from pylon_zoo.weights.entry import Entry, parse_entry
from pylon_zoo.weights.file_names import CONFIG_FILE, GOLDEN_FILE, WEIGHTS_FILE
from pylon_zoo.weights.golden import golden_bytes
from pylon_zoo.weights.hub import HUB, split_address
from pylon_zoo.weights.hub_errors import hub_error
from pylon_zoo.weights.integrity import read_bytes, record_of
from pylon_zoo.weights.loading import SHA256_KEY
from pylon_zoo.weights.measured import metrics_of
from pylon_zoo.weights.patience import short_waits

CARD_FILE = "README.md"
CODE_LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Publication:
    """What is to be published, or was.

    Attributes:
        repo: `org/name`.
        name: `<architecture>.<tag>`.
        files: file name → content.
        values: the fields of the manifest entry, as JSON; `revision` is there once it was published.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.models.build import build_model; from pylon_zoo.weights.checkpoint import save_checkpoint
        >>> folder = mkdtemp()
        >>> _ = save_checkpoint(build_model("pylon_test_resnet", 2), folder)
        >>> prepare(folder, "me/weights", tag="cracks").values["source"]
        'hub'
    """

    repo: str
    name: str
    files: Mapping[str, bytes]
    values: Mapping[str, Any]


def prepare(
    directory: str | Path,
    repo: str,
    *,
    tag: str | None = None,
    evaluation: str | Path | None = None,
    command: str | None = None,
    **stated: Any,
) -> Publication:
    """Everything that `publish` will upload; touches neither disk nor network.

    Args:
        directory: a run's folder, or a checkpoint folder.
        repo: `org/name`.
        tag: what tells these weights from others of the architecture; None takes it from the repository's name.
        evaluation: folder of `pylon-zoo evaluate --checkpoint DIRECTORY` with the metrics to publish.
        command: the command that made the evaluation.
        stated: fields of the entry that no file knows: `training_data`, `split_hash`, `recipe`, `weights_licence`,
            `aliases`. What is missing reads "not stated".

    Returns:
        What is to be published, for `publish`.

    Raises:
        ConfigError: the repository's name is none, or metrics come without their command or from other weights.
        WeightsError: a file is missing or broken, or a field cannot be right.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.models.build import build_model; from pylon_zoo.weights.checkpoint import save_checkpoint
        >>> folder = mkdtemp()
        >>> _ = save_checkpoint(build_model("pylon_test_resnet", 2), folder)
        >>> publication = prepare(folder, "me/pylon_test_resnet-cracks")
        >>> publication.name, sorted(publication.files)
        ('pylon_test_resnet.cracks', ['README.md', 'config.json', 'golden.safetensors', 'model.safetensors'])
    """
    split_address(f"{HUB}{repo}")
    folder = checkpoint_folder(directory)
    weights = read_bytes(folder / WEIGHTS_FILE)
    config = parse_config(read_bytes(folder / CONFIG_FILE), folder / CONFIG_FILE)
    model = model_from(config, parse_weights(weights, folder / WEIGHTS_FILE), where=str(folder))
    name = f"{model.architecture}.{tag or tag_of(repo, model.architecture)}"
    # Named in full, so that timm never looks for a pickle when the Hub does not answer.
    cfg = {**config["pretrained_cfg"], "hf_hub_filename": WEIGHTS_FILE}
    config = {**config, "pretrained_cfg": cfg, SHA256_KEY: record_of(weights).sha256}
    files = {WEIGHTS_FILE: weights, CONFIG_FILE: json_bytes(config), GOLDEN_FILE: golden_bytes(model)}
    values = {
        "source": "hub",
        "repo": repo,
        "files": {file: vars(record_of(content)) for file, content in files.items()},
        **input_of(model),
        "code_licence": CODE_LICENCE,
        **known_of(Path(directory), config),
        **stated,
    }
    if evaluation is not None:
        places = {Path(directory).resolve(), folder.resolve()}
        values["metrics"] = metrics_of(
            evaluation, command, str(directory), lambda model: Path(model).resolve() in places
        )
    parse_entry(name, {**values, "revision": "0" * 40}, "The entry to publish")  # finds mistakes before the upload
    card = model_card(repo, name, values, config).encode()
    return Publication(repo, name, {**files, CARD_FILE: card}, values)


def publish(publication: Publication, *, private: bool = False) -> tuple[Entry, dict[str, Any], bool]:
    """Create the repository if need be and upload what it does not have yet.

    Args:
        publication: of `prepare`.
        private: make a new repository private; one that exists stays as it is.

    Returns:
        The manifest entry, the same as JSON, and whether anything was uploaded.

    Raises:
        WeightsError: the Hub refuses, or cannot be reached; nothing is half published, because it is one commit.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.models.build import build_model; from pylon_zoo.weights.checkpoint import save_checkpoint
        >>> folder = mkdtemp()
        >>> _ = save_checkpoint(build_model("pylon_test_resnet", 2), folder)
        >>> publication = prepare(folder, "me/weights", tag="cracks")
        >>> try:
        ...     entry, values, uploaded = publish(publication)
        ... except WeightsError as error:
        ...     print("not published")  # offline
        not published
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import RevisionNotFoundError

    api, repo = HfApi(), publication.repo
    try:
        with short_waits():
            api.create_repo(repo, private=private or None, exist_ok=True)
            try:
                before = api.model_info(repo).sha
            except RevisionNotFoundError:  # it has no commit yet
                before = None
            commit = api.create_commit(
                repo,
                [CommitOperationAdd(name, content) for name, content in publication.files.items()],
                commit_message=f"{publication.name}: weights, description, card and golden outputs",
            )
    except Exception as error:  # as in `pylon_zoo.weights.hub`
        raise hub_error(error, f"{publication.name} cannot be published to {repo}", repo) from error
    values = {**publication.values, "revision": commit.oid}
    return parse_entry(publication.name, values, "The published entry"), values, commit.oid != before


def manifest_content(path: Path) -> dict[str, Any]:
    """A manifest file as JSON, or an empty one where there is no file.

    Raises:
        WeightsError: the file is no manifest, or its folder is not there.
    """
    if path.exists():
        manifest.read_manifest(path)
        content: dict[str, Any] = json.loads(read_bytes(path))
        return content
    if not path.absolute().parent.is_dir():
        raise WeightsError(f"{path} cannot be written: its folder is not there. Make it, or give another --manifest.")
    return {"format": manifest.FORMAT, "weights": {}}


def manifest_text(content: Mapping[str, Any]) -> str:
    """A manifest as its file has it."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def write_entry(path: str | Path, name: str, values: Mapping[str, Any]) -> None:
    """Write an entry into a manifest file, first of all; the file is made if it is not there.

    Raises:
        WeightsError: the file is no manifest, or cannot be written.
    """
    path = Path(path)
    content = manifest_content(path)
    others = {other: fields for other, fields in content["weights"].items() if other != name}
    content["weights"] = {name: dict(values), **others}
    text = manifest_text(content)
    manifest.parse_manifest(text.encode(), path)
    try:
        write_text(path, text)
    except OSError as error:
        raise WeightsError(f"{path} cannot be written: {error.strerror}. Give another --manifest.") from error
    manifest.read_once.cache_clear()


def tag_of(repo: str, architecture: str) -> str:
    """A tag from a repository's name, without the architecture that it may begin with.

    Example:
        >>> tag_of("org/pylon_resnet50.nih-cxr14", "pylon_resnet50"), tag_of("org/chest", "pylon_resnet50")
        ('nih_cxr14', 'chest')
    """
    name = repo.partition("/")[2]
    tag = re.sub(r"\W+", "_", name.removeprefix(architecture), flags=re.ASCII).strip("_").lower()
    if not tag:
        raise ConfigError(f"{repo} is the architecture's name alone, so it gives no tag. Give --tag.")
    return tag


def known_of(directory: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's folder knows of its training: the dataset, and what its recipe says of itself."""
    known: dict[str, Any] = {}
    training = config.get("training") or {}
    if dataset := training.get("dataset"):
        known["training_data"] = f"{dataset}, split train"
    if digest := training.get("split_hash"):
        known["split_hash"] = digest
    recipe = directory / "recipe.toml"
    if recipe.is_file():
        try:
            description = tomllib.loads(read_bytes(recipe).decode()).get("description")
        except ValueError as error:
            raise WeightsError(
                f"{recipe} is no TOML file: {error}. Restore it, or publish the checkpoint alone."
            ) from error
        known["recipe"] = f"recipe.toml of the run ({description or 'without description'})"
    return known
