"""The address of this process's Hub, and the environment that leads huggingface_hub there when it is imported."""

from __future__ import annotations

import os
import socket

LISTENER = socket.create_server(("127.0.0.1", 0))  # open from the start, so that the address stays ours

os.environ.update(
    HF_ENDPOINT="http://{}:{}".format(*LISTENER.getsockname()),
    HF_HUB_OFFLINE="1",  # all tests but those that ask for the Hub
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    NO_PROXY="127.0.0.1",
)
