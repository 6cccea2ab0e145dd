"""The page: which pieces it has, and what is asked of `answers` when a user touches one."""

# No `from __future__ import annotations`: Gradio looks at the types of functions, which are its own.

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pylon_zoo.app import answers, markup
from pylon_zoo.app.drawing import MARKS, View
from pylon_zoo.app.studio import Desk, Studio
from pylon_zoo.data.image_files import IMAGE_SUFFIXES
from pylon_zoo.explanation.colors import COLORMAPS, MAX_OPACITY
from pylon_zoo.explanation.explainer import SCALINGS
from pylon_zoo.explanation.overlay import COLORMAP
from pylon_zoo.optional import require
from pylon_zoo.pages import render

FOLDER = Path(answers.__file__).parents[1] / "pages" / "app"
NOTHING = "nothing beside it"
SHOWING = {"concurrency_id": "show", "concurrency_limit": 1}
"""What shows something is answered in the order in which it was asked for: no late answer undoes a newer one."""
BESIDE = 2
"""Requests of other kinds, as for a report, that are worked at meanwhile."""
WAITING = 100
"""Requests that may wait; who comes later is told that the server is busy."""
AN_HOUR = 3600.0
SAVED = {"picture": "Picture", "report": "Report", "csv": "CSV", "json": "JSON"}
SCALE_NAMES = {"absolute": "probability, 0 to 1", "image": "each map's own"}


def script(name: str) -> str:
    """A script or style sheet of the page."""
    return (FOLDER / name).read_text(encoding="utf-8")


def build(studio: Studio, title: str = "pylon_zoo") -> Any:
    """The page as Gradio's Blocks, not yet served.

    Args:
        studio: models, dataset and limits.
        title: of the page.

    Returns:
        `gradio.Blocks`; what belongs to its looks is given to `launch`, see `pylon_zoo.app.serving`.

    Raises:
        MissingDependencyError: Gradio is not installed.
    """
    require("gradio", extra="app")
    import gradio as gr
    from gradio.utils import get_upload_folder

    uploads = Path(get_upload_folder())
    names = list(studio.sources)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    shows: dict[str, Any] = {**quiet, **SHOWING}
    latest: dict[str, Any] = {**shows, "trigger_mode": "always_last"}

    drawable = [mark for mark in MARKS if studio.dataset is not None or mark != "true boxes"]
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True) as page:
        desk = gr.State(Desk(), time_to_live=AN_HOUR)
        view = gr.State(View(), time_to_live=AN_HOUR)
        gr.HTML(_header(title, studio), elem_id="pz-header", js_on_load=None)
        with gr.Row(elem_id="pz-page"):
            with gr.Column(scale=3, min_width=260, elem_id="pz-left"):
                drop = gr.HTML(
                    html_template=markup.drop_zone(studio.limits),
                    js_on_load=script("drop.js"),
                    elem_id="pz-drop",
                    most=studio.limits.files,
                    bytes=studio.limits.file_bytes,
                    suffixes=list(IMAGE_SUFFIXES),
                )
                strip = gr.HTML(js_on_load=script("strip.js"), elem_id="pz-strip")
                if studio.dataset is not None:
                    with gr.Row(elem_id="pz-dataset"):
                        back = gr.Button("‹", size="sm", min_width=40, elem_id="pz-back")
                        number = gr.Number(1, label=_of(studio), precision=0, minimum=1, maximum=len(studio.dataset))
                        on = gr.Button("›", size="sm", min_width=40, elem_id="pz-on")
                with gr.Group(elem_id="pz-settings"):
                    left = gr.Dropdown(names, value=names[0], label="Map")
                    right = gr.Dropdown([NOTHING, *names], value=NOTHING, label="Beside it")
                    marks = gr.CheckboxGroup(
                        drawable, value=[mark for mark in drawable if mark != "boxes"], label="Marks"
                    )
                    scaling = gr.Radio([(SCALE_NAMES[one], one) for one in SCALINGS], value="absolute", label="Scale")
                    opacity = gr.Slider(0, 1, MAX_OPACITY, step=0.05, label="Opacity", buttons=[])
                    colormap = gr.Dropdown(list(COLORMAPS), value=COLORMAP, label="Colours")
                    levels = gr.Checkbox(False, label="What each level adds")
            with gr.Column(scale=7, min_width=320, elem_id="pz-middle"):
                panels = gr.HTML(markup.panels(Desk(), View()), js_on_load=script("panels.js"), elem_id="pz-panels")
            with gr.Column(scale=3, min_width=240, elem_id="pz-right"):
                bars = gr.HTML(js_on_load=script("bars.js"), elem_id="pz-bars")
                with gr.Row(elem_id="pz-save"):
                    buttons = {
                        what: gr.Button(text, size="sm", min_width=50, elem_id=f"pz-save-{what}")
                        for what, text in SAVED.items()
                    }
                gr.HTML(render("app/saving.html"), elem_id="pz-saving", js_on_load=None)
        saver = gr.HTML(
            html_template="<span></span>", js_on_load=script("save.js"), elem_id="pz-saver", visible="hidden"
        )

        choices = [left, right]
        settings = [colormap, opacity, scaling, marks, levels]

        def chosen(before: View, given: tuple[Any, ...]) -> View:
            colormap, opacity, scaling, marks, levels = given
            return View(before.label, colormap, opacity, scaling, tuple(marks), levels)

        def sides(one: str, other: str) -> list[str]:
            return [one] if other == NOTHING else [one, other]

        def on_drop(event: gr.EventData, view: View, one: str, other: str, *given: Any) -> Any:
            files = answers.received(event._data.get("files"), uploads)
            more = event._data.get("left_out")
            left_out = more if isinstance(more, int) else 0
            return answers.dropped(studio, files, left_out, sides(one, other), chosen(view, given))

        def on_list(desk: Desk) -> str:
            return answers.listed(studio, desk)

        def on_pick(event: gr.EventData, desk: Desk, view: View, one: str, other: str, *given: Any) -> Any:
            place = event._data.get("place")
            place = place if isinstance(place, int) else 0
            return answers.picked(studio, desk, place, sides(one, other), chosen(view, given))

        def on_sides(desk: Desk, view: View, one: str, other: str, *given: Any) -> Any:
            return answers.picked(studio, desk, desk.at, sides(one, other), chosen(view, given))

        def on_class(event: gr.EventData, desk: Desk, view: View, *given: Any) -> Any:
            wanted = View(str(event._data.get("label", "")))
            desk, drawn = answers.redrawn(studio, desk, chosen(wanted, given))
            return wanted, drawn

        def on_setting(desk: Desk, view: View, *given: Any) -> Any:
            return answers.redrawn(studio, desk, chosen(view, given))

        everything = [desk, view, strip, bars, panels]
        given = [desk, view, *choices, *settings]
        drop.upload(on_drop, [view, *choices, *settings], everything, **shows).then(on_list, desk, strip, **quiet)
        strip.select(on_pick, given, [desk, view, bars, panels], **latest)
        gr.on([left.input, right.input], on_sides, given, [desk, view, bars, panels], **latest)
        bars.select(on_class, [desk, view, *settings], [view, panels], **latest)
        changes = [colormap.input, opacity.input, scaling.input, marks.input, levels.input]
        gr.on(changes, on_setting, [desk, view, *settings], [desk, panels], **latest)
        for what, button in buttons.items():
            button.click(_saver(studio, what, chosen), [desk, view, left, *settings], saver, **quiet)
        if studio.dataset is not None:

            def on_open(number: float | None, view: View, one: str, other: str, *given: Any) -> Any:
                return answers.opened(studio, int(number or 1) - 1, sides(one, other), chosen(view, given))

            def step(by: int) -> Callable[[float | None], int]:
                most = len(studio.dataset or ())
                return lambda number: min(max(int(number or 1) + by, 1), most)

            asked = [number, view, *choices, *settings]
            page.load(on_open, asked, everything, **shows)
            number.input(on_open, asked, everything, **latest)
            for button, by in ((back, -1), (on, 1)):
                button.click(step(by), number, number, **quiet).then(on_open, asked, everything, **shows)
    page.queue(max_size=WAITING, default_concurrency_limit=BESIDE)
    return page


def _saver(studio: Studio, what: str, chosen: Callable[..., View]) -> Callable[..., str]:
    """What answers one of the buttons that save."""
    return lambda desk, view, source, *given: answers.saved(studio, desk, what, source, chosen(view, given))


def _header(title: str, studio: Studio) -> str:
    return render("app/header.html", title=title, models=[name for name in studio.sources if " · " not in name])


def _of(studio: Studio) -> str:
    assert studio.dataset is not None
    return f"{studio.dataset.name} {studio.dataset.split}, 1 to {len(studio.dataset)}"
