"""Pages link to files of the repository, as on GitHub (`../examples/score_cam.py`); here they become pages and files.

Markdown at the top becomes a page beside the others, a script a page that shows it, anything else a file to download,
and a folder a page that lists its files. Whatever is linked to and does not exist ends the build.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
TOP_PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Markdown at the top of the repository → its page."""
SHOWN = {".py": "python", ".toml": "toml", ".cfg": "ini"}
"""Files that are shown → the language they are coloured in."""
LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)\s#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page or a file for everything outside docs/ that some page links to."""
    for source, uri in TOP_PAGES.items():
        files.append(File.generated(config, uri, content=_from_the_top((ROOT / source).read_text("utf-8"))))
    linked = {path for page in files.documentation_pages() for path in _outside(page.content_string, page.src_uri)}
    for path in sorted(linked - set(TOP_PAGES)):
        for member in sorted(_members(path)):
            if files.get_file_from_path(_uri(member)) is None:
                files.append(_generated(member, config))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links that lead out of docs/ to what `on_files` made of them."""
    here = page.file.src_uri

    def inside(match: re.Match[str]) -> str:
        path = _path(match[1], here)
        return match[1] if path is None else posixpath.relpath(_uri(path), posixpath.dirname(here) or ".")

    return LINK.sub(inside, markdown)


def _outside(markdown: str, here: str) -> Iterator[str]:
    for target in LINK.findall(markdown):
        path = _path(target, here)
        if path is not None:
            yield path


def _path(target: str, here: str) -> str | None:
    """The file of the repository that a link in docs/`here` leads to; None for one of docs/."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(here), target))
    return None if path.startswith("docs/") else path


def _from_the_top(markdown: str) -> str:
    """A page of the top as a page of docs/, where a link to `docs/x.md` is one to `x.md`."""
    return LINK.sub(lambda match: os.path.relpath(match[1], "docs"), markdown)


def _members(path: str) -> Iterator[str]:
    """A file, or a folder with the files in it."""
    yield path
    if (ROOT / path).is_dir():
        yield from (found.relative_to(ROOT).as_posix() for found in (ROOT / path).iterdir() if found.is_file())


def _uri(path: str) -> str:
    """Where a file of the repository is in the site's sources."""
    if path in TOP_PAGES:
        return TOP_PAGES[path]
    if (ROOT / path).is_dir():
        return f"files/{path}/index.md"
    return f"files/{path}.md" if Path(path).suffix in SHOWN else f"files/{path}"


def _generated(path: str, config: MkDocsConfig) -> File:
    found = ROOT / path
    if not found.exists():
        raise PluginError(f"A page links to {path}, which does not exist: correct the link.")
    if found.is_dir():
        names = sorted(member.name for member in found.iterdir() if member.is_file())
        lines = [f"- [{name}]({posixpath.relpath(_uri(f'{path}/{name}'), f'files/{path}')})" for name in names]
        made = File.generated(config, _uri(path), content=f"# {path}\n\n" + "\n".join(lines) + "\n")
    elif found.suffix in SHOWN:
        text = found.read_text("utf-8")
        made = File.generated(config, _uri(path), content=f"# {path}\n\n~~~~{SHOWN[found.suffix]}\n{text}~~~~\n")
    else:
        made = File.generated(config, _uri(path), abs_src_path=str(found))
    made.inclusion = InclusionLevel.NOT_IN_NAV
    return made
