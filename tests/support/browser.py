"""A page in a real browser without a window, and what its colours are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


def find_browser() -> str:
    """A Chromium of this machine; the test is skipped where there is none, or no Playwright."""
    pytest.importorskip("playwright", reason="needs Playwright")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"needs a browser: one of {', '.join(BROWSERS)}")
    return found


@contextmanager
def open_browser() -> Iterator[Any]:
    """Playwright's browser, closed afterwards."""
    from playwright.sync_api import sync_playwright

    executable = find_browser()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            yield running
        finally:
            running.close()


def too_faint(page: Any) -> list[str]:
    """Texts whose contrast with what is behind them is below WCAG's AA: 4.5, or 3 for large ones."""
    found: list[str] = page.evaluate(CONTRAST)
    return found
