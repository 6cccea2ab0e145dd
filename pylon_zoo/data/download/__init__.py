"""Releases of datasets from where they are published into the folder that `--data NAME:DIR` reads.

`releases` and `agreements` are the tables: what may be downloaded, and what needs a login. `release` does it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pylon_zoo.data.download.agreements import AGREEMENTS
    from pylon_zoo.data.download.release import Outcome, download
    from pylon_zoo.data.download.releases import RELEASES
else:
    from pylon_zoo.lazy import lazily as _lazily

    __getattr__, __dir__ = _lazily(
        __name__,
        {
            "agreements": ["AGREEMENTS"],
            "release": ["Outcome", "download"],
            "releases": ["RELEASES"],
        },
    )

__all__ = ["AGREEMENTS", "RELEASES", "Outcome", "download"]
