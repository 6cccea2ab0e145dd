"""The model that settings are to be chosen for: whether there is one, asked before torch is imported."""

from __future__ import annotations

from pylon_zoo.errors import UnknownNameError
from pylon_zoo.models.methods import check_backbone, split_name


def check_model(architecture: str) -> None:
    """Refuse a model that does not exist, before anything is read.

    Raises:
        UnknownNameError, ConfigError: as `build_model`; says where names are listed.
    """
    try:
        check_backbone(*split_name(architecture))
    except UnknownNameError as error:
        raise UnknownNameError(f"--model {architecture}: {error} See: pylon-zoo list") from error
