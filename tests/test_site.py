"""What the site's hooks do to pages; that the whole site builds without a broken link is a step of `.ci/run`."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

ROOT = Path(__file__).resolve().parents[1]
HOOKS = ROOT / "docs" / "_site"
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")

Site = Callable[[dict[str, str]], Path]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Builds a site of a few pages with the hooks, and says where."""

    def make(pages: dict[str, str]) -> Path:
        for name, text in {"glossary.md": GLOSSARY, **pages}.items():
            path = tmp_path / "docs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        hooks = [f"  - {HOOKS / name}.py" for name in ("outside", "glossary", "own_host")]
        config = tmp_path / "mkdocs.yml"
        config.write_text("\n".join(["site_name: s", "use_directory_urls: false", "hooks:", *hooks]), encoding="utf-8")
        build(load_config(str(config)))
        return tmp_path / "site"

    return make


def links(page: Path) -> list[str]:
    """Where the links of a page's own text lead."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r'<a href="([^"]+)">\[', text)


def test_links_out_of_the_documentation_lead_to_pages_and_files(site: Site) -> None:
    targets = ["../../examples/score_cam.py", "../../benchmarks/results/metrics.csv", "../x.md#y", "https://e.org"]
    built = site(
        {"how/a.md": " ".join(f"[\\[{number}\\]]({target})" for number, target in enumerate(targets)), "x.md": "# Y"}
    )
    script, table, inside, elsewhere = links(built / "how" / "a.html")
    assert (inside, elsewhere) == ("../x.html#y", "https://e.org")
    assert "create_attribution" in (built / "how" / script).read_text(encoding="utf-8")
    assert (built / "how" / table).read_bytes() == (ROOT / "benchmarks" / "results" / "metrics.csv").read_bytes()


def test_a_folder_is_a_page_that_lists_its_files(site: Site) -> None:
    built = site({"a.md": "[\\[results\\]](../benchmarks/results)"})
    (folder,) = links(built / "a.html")
    assert '<a href="metrics.csv">metrics.csv</a>' in (built / folder).read_text(encoding="utf-8")
    assert (built / folder).with_name("metrics.csv").is_file()


def test_pages_of_the_top_are_pages_of_the_site(site: Site) -> None:
    built = site({"a.md": "[\\[how\\]](../CONTRIBUTING.md)", "methods.md": "# M"})
    assert links(built / "a.html") == ["contributing.html"]
    assert 'href="methods.html"' in (built / "changelog.html").read_text(encoding="utf-8")


def test_a_link_to_what_is_not_there_ends_the_build(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Abort):
        site({"a.md": "[gone](../examples/gone.py)"})
    assert "A page links to examples/gone.py, which does not exist: correct the link." in caplog.messages


def test_words_are_explained_where_they_first_stand(site: Site) -> None:
    text = "## Logits\n\nTwo `logit` logits, *a logit*, a cytologit and a heatmap."
    page = (site({"how/a.md": text}) / "how" / "a.html").read_text(encoding="utf-8")
    link = '<a class="term" href="../glossary.html#logit" title="a raw score, any number from −∞ to ∞">'
    assert f"<code>logit</code> {link}logits</a>, <em>a logit</em>, a cytologit and a <a " in page
    assert page.count('class="term"') == 2


def test_every_word_of_the_glossary_has_a_place_and_a_meaning(site: Site) -> None:
    words = [line for line in GLOSSARY.splitlines() if line.startswith("<a id")]
    assert len(words) > 40
    known = [re.sub(r'<a id="\S+"></a>\*\*(.+?)\*\*.*', r"\1", line) for line in words]
    page = (site({"a.md": "\n\n".join(known)}) / "a.html").read_text(encoding="utf-8")
    assert page.count('class="term"') == len(words)


@pytest.mark.parametrize(
    ("html", "warned"),
    [
        ('<script src="https://unpkg.com/x.js"></script>', True),
        ('<img alt="" src="//fonts.googleapis.com/x.png">', True),
        ('<img alt="" src="demo.png"> <a href="https://github.com">out</a>', False),
    ],
)
def test_pages_that_fetch_from_elsewhere_are_named(
    site: Site, html: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        site({"a.md": html})
    assert any("a.md fetches from another host" in text and html[5:20] in text for text in caplog.messages) is warned
