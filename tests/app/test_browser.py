"""The page in a browser: dropped images become maps, by mouse and keyboard, wide and narrow, without another host."""

from __future__ import annotations

import json
import os
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import open_browser, too_faint
from dicoms import write_dicom
from PIL import Image

from pylon_zoo.app.limits import Limits
from pylon_zoo.app.studio import Studio
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.factory import create_model

pytestmark = pytest.mark.slow
gradio = pytest.importorskip("gradio", reason="needs the extra [app]")

PANELS = "[...document.querySelectorAll('.pz-side, .pz-problem, .pz-hint')].map(each => each.outerHTML).join()"
PATIENCE = 120_000
"""Milliseconds, for a machine with much else to do."""


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Path]]:
    """The address of the page with the bundled model, a dataset and small limits; and where uploads would lie."""
    from pylon_zoo.app.serving import HOST, serve

    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    before = {name: os.environ.get(name) for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED")}
    limits = Limits(file_bytes=400_000, pixels=2_000_000)
    models = {"phantoms": create_model("pylon_resnet18.phantom_cxr")}
    page = serve(Studio(models, PhantomCxr("test", size=256, count=5), limits), port=port, wait=False)
    yield f"http://{HOST}:{port}/", Path(os.environ["GRADIO_TEMP_DIR"])
    page.close()
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as running:
        yield running


@pytest.fixture
def open_page(served: tuple[str, Path], browser: Any) -> Iterator[Any]:
    """`open_page(width, height, dark=False)`: the page with the dataset's first image shown; asks no other host."""
    outside: list[str] = []
    troubles: list[str] = []
    contexts = []

    def open_(width: int = 1360, height: int = 900, dark: bool = False) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: outside.append(request.url) if is_outside(request.url) else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(served[0])
        page.wait_for_selector(".pz-map")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert outside == []
    assert troubles == []


def is_outside(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "data:", "blob:"))


@pytest.fixture(scope="module")
def radiographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of `1.png`, `2.jpg`, `deep/3.dcm`, `.hidden.png`, `notes.txt`; beside it `broken.png` and `huge.png`."""
    root = tmp_path_factory.mktemp("images")
    folder = root / "chests"
    (folder / "deep").mkdir(parents=True)
    phantoms = PhantomCxr("test", size=256, count=12)
    arrays = [phantoms[place].image[0].numpy() for place in (8, 9, 10)]
    Image.fromarray(arrays[0]).save(folder / "1.png")
    Image.fromarray(arrays[1]).save(folder / "2.jpg", quality=95)
    write_dicom(folder / "deep" / "3.dcm", arrays[2])
    write_dicom(root / "colour.dcm", np.zeros((8, 8), np.uint8), PhotometricInterpretation="RGB")
    Image.fromarray(arrays[0]).save(folder / ".hidden.png")
    (folder / "notes.txt").write_text("no image", encoding="utf-8")
    (root / "broken.png").write_bytes((folder / "1.png").read_bytes()[:3000])
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000), dtype=np.uint8)
    Image.fromarray(noise).save(root / "huge.png")
    Image.new("1", (2000, 2000)).save(root / "wide.png")
    return folder


def bring(page: Any, *paths: Path) -> None:
    """Choose files as by the dialog, and wait until the page has answered."""
    change(page, lambda: page.locator(".pz-zone input").set_input_files([str(path) for path in paths]))


def change(page: Any, act: Any) -> None:
    """Do something, and wait until the panels are others."""
    before = page.evaluate(PANELS)
    act()
    page.wait_for_function(f"before => {PANELS} !== before", arg=before)


def shown(page: Any) -> str:
    return page.locator(".pz-map").first.get_attribute("src")


def title(page: Any) -> str:
    return page.locator(".pz-title strong").first.inner_text()


def selected(page: Any) -> str:
    return page.locator('[role="option"][aria-selected="true"]').get_attribute("data-label")


def test_an_image_that_is_dropped_becomes_a_map(open_page: Any, radiographs: Path) -> None:
    page = open_page()
    content = list((radiographs / "1.png").read_bytes())
    transfer = page.evaluate_handle(
        "bytes => { const data = new DataTransfer();"
        " data.items.add(new File([new Uint8Array(bytes)], 'dropped.png')); return data; }",
        content,
    )
    change(page, lambda: page.dispatch_event(".pz-zone", "drop", {"dataTransfer": transfer}))
    assert "over dropped.png" in page.locator(".pz-map").get_attribute("alt")
    assert page.locator('[role="option"]').count() == 8
    natural = page.evaluate("() => { const m = document.querySelector('.pz-map'); return m.naturalWidth; }")
    assert natural == 512


def test_another_class_another_map(open_page: Any) -> None:
    page = open_page()
    before = shown(page)
    change(page, lambda: page.locator('[role="option"]').nth(3).click())
    assert title(page) == selected(page)
    assert shown(page) != before


def test_pointing_shows_a_class_for_the_while(open_page: Any) -> None:
    page = open_page()
    kept = title(page)
    change(page, lambda: page.locator('[role="option"]').nth(4).hover())
    assert title(page) != kept
    change(page, lambda: page.locator(".pz-top").hover())
    assert title(page) == kept == selected(page)


def test_classes_by_keyboard(open_page: Any) -> None:
    page = open_page()
    labels = [option.get_attribute("data-label") for option in page.locator('[role="option"]').all()]
    page.locator(".pz-stage").focus()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "listbox":
            break
    else:
        pytest.fail("Tab does not reach the classes")
    change(page, lambda: page.keyboard.press("ArrowDown"))
    assert title(page) == labels[1]
    change(page, lambda: page.keyboard.press("End"))
    assert title(page) == labels[-1]
    active = page.evaluate("document.activeElement.getAttribute('aria-activedescendant')")
    assert page.locator(f"#{active}").get_attribute("data-label") == labels[-1]
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_a_folder_is_searched_and_its_images_are_listed(open_page: Any, radiographs: Path) -> None:
    page = open_page()
    change(page, lambda: page.locator(".pz-folder input").set_input_files(str(radiographs)))
    page.wait_for_function("document.querySelectorAll('.pz-strip img').length === 3")
    names = page.locator(".pz-strip .pz-name").all_inner_texts()
    assert names == ["chests/1.png", "chests/2.jpg", "chests/deep/3.dcm"]
    change(page, lambda: page.locator("[data-place='2']").click())
    assert "3.dcm" in page.locator(".pz-map").get_attribute("alt")


def test_what_cannot_be_shown_is_answered_in_a_sentence(open_page: Any, radiographs: Path) -> None:
    page = open_page()
    sentences = {
        "broken.png": "is cut short or corrupt",
        "huge.png": "and at most 0.4 MB are taken: shrink it first.",
        "wide.png": "has 2000×2000 pixels, and at most 2 million are taken",
        "colour.dcm": "is a colour DICOM",
        "chests/notes.txt": "is not an image that can be read",
    }
    for name, sentence in sentences.items():
        bring(page, radiographs.parent / name)
        (told,) = page.locator("[role='alert']").all_inner_texts()
        assert sentence in told
        assert page.locator(".pz-map").count() == 0
    bring(page, radiographs.parent / "broken.png", radiographs / "1.png")
    assert "1.png" in page.locator(".pz-map").get_attribute("alt")
    page.wait_for_selector(".pz-strip small")


def test_two_methods_zoom_together(open_page: Any) -> None:
    page = open_page()

    def choose() -> None:
        page.get_by_label("Beside it").click()
        page.get_by_role("option", name="phantoms · grad_cam", exact=True).click()

    change(page, choose)
    assert page.locator(".pz-source").all_inner_texts() == ["phantoms", "phantoms · grad_cam"]
    page.locator(".pz-stage").first.focus()
    for key in ("+", "ArrowRight"):
        page.keyboard.press(key)
    transforms = page.locator(".pz-map").evaluate_all("all => all.map(each => each.style.transform)")
    assert transforms[0] == transforms[1] != ""
    change(page, lambda: page.locator('[role="option"]').nth(2).click())
    assert page.locator(".pz-map").first.evaluate("each => each.style.transform") == transforms[0]
    page.locator("[data-zoom='fit']").click()
    assert page.locator(".pz-map").last.evaluate("each => each.style.transform") == ""


def test_settings_change_the_picture(open_page: Any) -> None:
    page = open_page()
    seen = {shown(page)}
    for act in (
        lambda: page.get_by_label("contour").click(),
        lambda: page.get_by_label("true boxes").click(),
        lambda: page.get_by_label("each map's own").click(),
        lambda: page.get_by_label("What each level adds").click(),
    ):
        change(page, act)
        seen.add(shown(page))
    assert len(seen) == 4  # the levels are added below
    assert page.locator(".pz-row img").count() == 3
    assert "= logit" in page.locator(".pz-levels .pz-note").inner_text()


def test_the_dataset_is_looked_through(open_page: Any) -> None:
    page = open_page()
    change(page, lambda: page.locator("#pz-on").click())
    assert "phantom_cxr, test 2" in page.locator(".pz-map").get_attribute("alt")


def test_results_are_saved_where_the_user_asks(
    open_page: Any, served: tuple[str, Path], radiographs: Path, tmp_path: Path
) -> None:
    page = open_page()
    bring(page, radiographs / "1.png", radiographs / "2.jpg")
    saved = {}
    for what in ("picture", "report", "csv", "json"):
        with page.expect_download(timeout=PATIENCE) as download:
            page.locator(f"#pz-save-{what}").click()
        saved[what] = tmp_path / download.value.suggested_filename
        download.value.save_as(saved[what])
    assert Image.open(saved["picture"]).width == 512
    assert "report.html" in zipfile.ZipFile(saved["report"]).namelist()
    assert len(saved["csv"].read_text(encoding="utf-8").splitlines()) == 1 + 2 * 8
    found = json.loads(saved["json"].read_text(encoding="utf-8"))
    assert [image["path"] for image in found["images"]] == ["1.png", "2.jpg"]
    assert not [path for path in served[1].rglob("*") if path.is_file()]


def test_two_users_do_not_see_each_other_s(open_page: Any, radiographs: Path) -> None:
    one, other = open_page(), open_page()
    bring(one, radiographs / "1.png")
    bring(other, radiographs / "2.jpg")
    change(one, lambda: one.locator('[role="option"]').nth(1).click())
    change(other, lambda: other.locator('[role="option"]').nth(2).click())
    assert "1.png" in one.locator(".pz-map").get_attribute("alt")
    assert "2.jpg" in other.locator(".pz-map").get_attribute("alt")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read(open_page: Any, radiographs: Path, dark: bool) -> None:
    page = open_page(dark=dark)
    assert too_faint(page) == []
    change(page, lambda: page.get_by_label("What each level adds").click())
    bring(page, radiographs / "1.png", radiographs.parent / "broken.png")
    page.wait_for_selector(".pz-strip small")
    page.mouse.move(0, 0)
    assert too_faint(page) == []
    bring(page, radiographs.parent / "broken.png")
    assert too_faint(page) == []


def test_faint_text_is_found(open_page: Any) -> None:
    page = open_page()
    page.evaluate("document.querySelector('.pz-top h1').style.color = '#aaaaaa'")
    assert any("pylon_zoo" in text for text in too_faint(page))


def test_a_narrow_screen_does_not_scroll_sideways(open_page: Any, radiographs: Path) -> None:
    page = open_page(360, 740)
    bring(page, radiographs / "1.png", radiographs.parent / "broken.png")
    widths = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]")
    assert max(widths) == 360
    tops = [
        page.locator(part).first.bounding_box()["y"] for part in ("#pz-drop", "#pz-panels", "#pz-bars", "#pz-settings")
    ]
    assert tops == sorted(tops)


def test_everything_that_is_used_has_a_name(open_page: Any) -> None:
    page = open_page()
    nameless = page.evaluate(
        "() => [...document.querySelectorAll('button, input, select, textarea, [role=listbox], [tabindex=\"0\"]')]"
        ".filter(each => each.checkVisibility() && !(each.getAttribute('aria-label') || each.labels?.length"
        " || each.textContent.trim() || each.closest('label') || each.getAttribute('aria-labelledby')"
        " || each.title)).map(each => each.outerHTML.slice(0, 120))"
    )
    assert nameless == []
