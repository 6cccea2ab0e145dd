"""The page, served: from memory, to this machine alone unless asked otherwise, with nothing from or to another host."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from tempfile import TemporaryDirectory
from typing import Any

from pylon_zoo.app.studio import Studio
from pylon_zoo.errors import ConfigError
from pylon_zoo.optional import require

HOST, PORT = "127.0.0.1", 7860
SESSIONS = 100
"""Users whose desks are kept; the one longest away goes first."""


def serve(
    studio: Studio,
    *,
    host: str = HOST,
    port: int = PORT,
    open_browser: bool = False,
    wait: bool = True,
    title: str = "pylon_zoo",
) -> Any:
    """Serve the page until it is stopped.

    What users bring is read from a temporary folder and deleted there at once; the folder goes when the server stops.

    Args:
        studio: models, dataset and limits.
        host: of the network interface; `"127.0.0.1"` is this machine alone.
        port: on it.
        open_browser: open the page too.
        wait: return when it is stopped; False returns the running Blocks, whose `close` stops it.
        title: of the page.

    Returns:
        `gradio.Blocks`.

    Raises:
        ConfigError: the port is in use.
        MissingDependencyError: Gradio is not installed.
    """
    check_port(host, port)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported, and later
    os.environ["GRADIO_TEMP_DIR"] = (folder := TemporaryDirectory(prefix="pylon-zoo-app-")).name
    gr = require("gradio", extra="app")
    from pylon_zoo.app.wiring import build, script

    page = build(studio, title)
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}  # no font of another host
    page.launch(
        server_name=host,
        server_port=port,
        inbrowser=open_browser,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        state_session_capacity=SESSIONS,
        max_file_size=studio.limits.file_bytes,
        theme=gr.themes.Base(primary_hue="orange", neutral_hue="gray", **fonts),
        css=script("app.css"),
    )
    page.uploads = folder  # deleted with it
    if wait:
        print(f"Open {page.local_url} (stop with Ctrl-C)", flush=True)
        try:
            page.block_thread()
        finally:
            folder.cleanup()
    return page


def check_port(host: str, port: int) -> None:
    """Refuse a port that cannot be had.

    Raises:
        ConfigError: something else uses it, or it may not be used.
    """
    with closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"Port {port} of {host} cannot be used ({error.strerror}): stop what uses it, or give another with "
                "--port."
            ) from error
