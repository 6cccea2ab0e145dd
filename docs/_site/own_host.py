"""A page must be readable without a network: no script, style, font or picture of another host."""

from __future__ import annotations

import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.pages import Page

FETCHED = re.compile(r"""<(?:script|img|iframe|source|video|link)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^\s"'>]+""")

log = get_plugin_logger("own_host")


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Warn, and so fail a strict build, where a finished page fetches something from elsewhere."""
    for found in FETCHED.findall(output):
        log.warning(f"{page.file.src_uri} fetches from another host: {found}")
    return output
