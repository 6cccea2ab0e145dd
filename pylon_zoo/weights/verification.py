"""Whether weights are what the manifest says and still do what they did: bytes, hashes, golden outputs."""

from __future__ import annotations

from dataclasses import dataclass

from pylon_zoo.errors import PylonZooError
from pylon_zoo.weights.checkpoint import model_from, parse_config, parse_weights
from pylon_zoo.weights.entry import Entry
from pylon_zoo.weights.file_names import CONFIG_FILE, GOLDEN_FILE, WEIGHTS_FILE
from pylon_zoo.weights.golden import check_golden
from pylon_zoo.weights.loading import entry_source


@dataclass(frozen=True)
class Verdict:
    """The outcome for one set of weights.

    Attributes:
        name: `<architecture>.<tag>`.
        right: whether everything is as published.
        reason: what was compared, or what is wrong.

    Example:
        >>> Verdict("pylon_a.b", False, "the file is not there").right
        False
    """

    name: str
    right: bool
    reason: str


def verify_weights(entry: Entry) -> Verdict:
    """Read every file of an entry, from the package or the Hub, and run the model on its golden input.

    Args:
        entry: of the manifest.

    Returns:
        Whether all is as published, and what was compared or is wrong.

    Example:
        >>> from pylon_zoo.weights.manifest import find
        >>> verify_weights(find("pylon_resnet18", "phantom_cxr")).right
        True
    """
    try:
        source = entry_source(entry)
        contents = {name: source.read(name) for name in entry.files}
        model = model_from(
            parse_config(contents[CONFIG_FILE], CONFIG_FILE),
            parse_weights(contents[WEIGHTS_FILE], WEIGHTS_FILE),
            where=source.place,
        )
        seen = f"{len(contents)} files, {sum(map(len, contents.values())):,} bytes, sha256 as published"
        if GOLDEN_FILE not in contents:
            return Verdict(entry.name, True, f"{seen}; no golden outputs")
        difference = check_golden(model, contents[GOLDEN_FILE], f"{GOLDEN_FILE} of {source.place}")
    except PylonZooError as error:
        return Verdict(entry.name, False, str(error))
    return Verdict(entry.name, True, f"{seen}; golden outputs within {difference:.0e}")
