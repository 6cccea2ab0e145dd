"""What to say to those who ask for weights that nobody has trained yet: the three ways to get some."""

from __future__ import annotations

from pylon_zoo.errors import WeightsError
from pylon_zoo.weights.entry import Entry

AUTHORS_ARCHIVE = "https://drive.google.com/file/d/19FWGkraATlcaJRmIryW8T6XQfmEqFIYf/view"


def planned_error(entry: Entry) -> WeightsError:
    """The error for an entry that is planned: import the authors' file, train, or take other weights.

    Example:
        >>> from pylon_zoo.weights.manifest import find
        >>> print(str(planned_error(find("pylon_resnet50", "nih-cxr14")))[:82])
        The weights pylon_resnet50.nih_cxr14 are planned; nobody has trained them yet. (1)
    """
    if entry.authors_file:
        file, release = entry.authors_file, f"Download the authors' release from {AUTHORS_ARCHIVE} and run"
        import_ = f"{release} `pylon-zoo weights import-official FILE --member '{file}' --out DIR`."
    else:
        import_ = (
            f"Import the authors' file, if you have it (of these weights none is known to be in their release, "
            f"{AUTHORS_ARCHIVE}), with `pylon-zoo weights import-official FILE --out DIR`."
        )
    train = f"Train with `pylon-zoo train {entry.recipe} --out DIR`."
    if " " in entry.recipe:
        train = f"Train them: {entry.recipe}; `pylon-zoo recipes list` has the nearest."
    return WeightsError(
        f"The weights {entry.name} are planned; nobody has trained them yet. (1) {import_} (2) {train} Then give DIR "
        f"as pretrained. (3) Take them from elsewhere: pretrained='hf-hub:org/name', or a manifest that has them, in "
        "PYLON_ZOO_MANIFEST or by pylon_zoo.register_weights(...)."
    )
