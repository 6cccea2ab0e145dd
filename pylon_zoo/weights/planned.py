"""What to say to those who ask for weights that nobody has trained yet: which command makes them, who has others."""

from __future__ import annotations

from pylon_zoo.errors import WeightsError
from pylon_zoo.weights.entry import Entry

AUTHORS_ARCHIVE = "https://drive.google.com/file/d/19FWGkraATlcaJRmIryW8T6XQfmEqFIYf/view"


def planned_error(entry: Entry) -> WeightsError:
    """The error for an entry that is planned: train, import the authors' file if there is one, or take others.

    Example:
        >>> from pylon_zoo.weights.manifest import find
        >>> print(str(planned_error(find("pylon_resnet50", "nih-cxr14")))[:99])
        The weights pylon_resnet50.nih_cxr14 are not published yet: `pylon-zoo train nih_cxr14_pylon_resnet
    """
    import_ = ""
    if entry.authors_file:
        import_ = (
            f" The authors' own, in {AUTHORS_ARCHIVE}, become such a folder by `pylon-zoo weights import-official FILE "
            f"--member '{entry.authors_file}' --out RUN`."
        )
    return WeightsError(
        f"The weights {entry.name} are not published yet: {_training(entry)}, and pretrained='RUN' loads them."
        f"{import_} Others' are had as pretrained='hf-hub:org/name', or by a manifest that has them, in "
        "PYLON_ZOO_MANIFEST or by pylon_zoo.register_weights(...)."
    )


def _training(entry: Entry) -> str:
    """The command that trains these weights."""
    from pylon_zoo.data.download import AGREEMENTS, RELEASES
    from pylon_zoo.data.registry import DATASETS, shown_name, shown_spec

    if " " in entry.recipe:
        return f"train them ({entry.recipe}; `pylon-zoo recipes list` has the nearest) with --out RUN"
    name = max((one for one in DATASETS if entry.tag.startswith(one)), key=len, default=None)
    data, download = "NAME:DIR", ""
    if name is not None:
        data = shown_spec(name)
        if name in RELEASES or name in AGREEMENTS:
            does = "gets the data" if name in RELEASES else "says how to get the data"
            download = f" (`pylon-zoo data download {shown_name(name)} DIR` {does})"
    return f"`pylon-zoo train {entry.recipe} --data {data} --out RUN` makes them{download}"
