"""The first time a page says a word of the glossary, the word leads there and says what it means.

A word's line in docs/glossary.md is `**heatmap**, heatmaps: a number for …`: the word, other forms of it, its meaning.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

GLOSSARY = Path(__file__).resolve().parents[1] / "glossary.md"
ENTRY = re.compile(r'^<a id="(\S+)"></a>\*\*(.+?)\*\*((?:, [^:]+)?): (.+?)(?:\.\s|\.?$)', re.MULTILINE)
CLOSED = ("a", "code", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "button", "label", "svg", "nav", "summary")
"""Inside these elements a word stays as it is."""
TAG = re.compile(r"(<[^>]+>)")


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mark the first place of every word in a page's running text."""
    if page.file.src_uri == GLOSSARY.name:
        return html
    glossary = get_relative_url(files.src_uris[GLOSSARY.name].url, page.url)
    meanings = _meanings()
    depth, marked = 0, set()

    def mark(match: re.Match[str]) -> str:
        anchor, meaning = meanings[match[0].lower()]
        if anchor in marked:
            return match[0]
        marked.add(anchor)
        return f'<a class="term" href="{glossary}#{anchor}" title="{escape(meaning)}">{match[0]}</a>'

    longest_first = "|".join(re.escape(form) for form in sorted(meanings, key=len, reverse=True))
    words = re.compile(rf"(?<![\w-])(?:{longest_first})(?![\w-])", re.IGNORECASE)
    parts = TAG.split(html)
    for place, part in enumerate(parts):
        if part.startswith("<"):
            if (name := re.match(r"</?(\w+)", part)) and name[1] in CLOSED and not part.endswith("/>"):
                depth += -1 if part.startswith("</") else 1
        elif depth == 0:
            parts[place] = words.sub(mark, part)
    return "".join(parts)


def _meanings() -> dict[str, tuple[str, str]]:
    """Form of a word, in small letters → its place in the glossary, and the first sentence there without its markup."""
    known = {}
    for anchor, word, others, meaning in ENTRY.findall(GLOSSARY.read_text("utf-8")):
        plain = re.sub(r"\[(.+?)\]\(.*?\)|[*`]", r"\1", meaning)
        for form in [word, *others.split(", ")[1:]]:
            known[form.lower()] = (anchor, plain)
    return known
