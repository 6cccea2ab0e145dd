"""A manifest's entry as a patch: what `git apply` turns into the package's manifest with those weights in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import unified_diff
from typing import Any

from pylon_zoo.weights import manifest
from pylon_zoo.weights.integrity import read_bytes
from pylon_zoo.weights.publishing import manifest_text


def entry_patch(name: str, values: Mapping[str, Any]) -> str:
    """What changes in `weights_manifest.json` when an entry stands in it.

    An entry of that name is changed where it stands, because the first of an architecture is its default, and keeps
    the fields that `values` lacks; a new one comes last.

    Args:
        name: `<architecture>.<tag>`.
        values: its fields, as JSON.

    Returns:
        A unified diff for `git apply` at the top of the source tree; empty where nothing changes.

    Raises:
        WeightsError: the manifest would not be right with it.

    Example:
        >>> patch = entry_patch("pylon_resnet50.nih_cxr14", {"weights_licence": "CC-BY-4.0"})
        >>> [line for line in patch.splitlines() if "licence" in line and line[0] == "+"]
        ['+      "weights_licence": "CC-BY-4.0"']
    """
    path = manifest.manifest_path()
    before = read_bytes(path).decode()
    content = json.loads(before)
    weights = content["weights"]
    content["weights"] = {**weights, name: {**weights.get(name, {}), **values}}
    after = manifest_text(content)
    manifest.parse_manifest(after.encode(), f"{path} with {name}")
    file = manifest.MANIFEST_FILE
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return "".join(unified_diff(old, new, f"a/{file}", f"b/{file}"))
