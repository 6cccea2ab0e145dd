"""Releases of datasets from where they are published into the folder that `--data NAME:DIR` reads.

`releases` and `agreements` are the tables: what may be downloaded, and what needs a login. `download` does it.
"""

from pylon_zoo.data.download.agreements import AGREEMENTS
from pylon_zoo.data.download.download import Outcome, download
from pylon_zoo.data.download.releases import RELEASES

__all__ = ["AGREEMENTS", "RELEASES", "Outcome", "download"]
