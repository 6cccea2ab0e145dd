"""A Hugging Face Hub on the loopback interface, for the real client: repositories, LFS, revisions, auth and faults."""

from loopback_hub.faults import FAULTS
from loopback_hub.hub import TOKEN, LoopbackHub

__all__ = ["FAULTS", "TOKEN", "LoopbackHub"]
