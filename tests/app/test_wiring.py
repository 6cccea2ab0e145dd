from __future__ import annotations

import pytest

from pylon_zoo.app.studio import Studio

pytestmark = pytest.mark.slow  # Gradio takes seconds to import
pytest.importorskip("gradio", reason="needs the extra [app]")


def test_what_shows_something_is_answered_in_order(studio: Studio) -> None:
    from pylon_zoo.app.wiring import build

    page = build(studio)
    shown = [call for call in page.fns.values() if any(part.elem_id == "pz-panels" for part in call.outputs)]
    assert len(shown) >= 8
    assert {(call.concurrency_id, call.concurrency_limit) for call in shown} == {("show", 1)}


def test_nothing_is_an_api_for_others(studio: Studio) -> None:
    from pylon_zoo.app.wiring import build

    assert {call.api_visibility for call in build(studio).fns.values()} == {"private"}


def test_without_a_dataset_there_is_nothing_to_look_through(studio: Studio) -> None:
    from pylon_zoo.app.wiring import build

    def parts(of: Studio) -> set[str | None]:
        return {block.elem_id for block in build(of).blocks.values()}

    bare = Studio({"small": studio.sources["small"].model})
    assert parts(studio) - parts(bare) == {"pz-dataset", "pz-back", "pz-on"}


@pytest.mark.parametrize("opened", [True, False], ids=["with a dataset", "without"])
def test_every_setting_accepts_what_it_shows_at_first(studio: Studio, opened: bool) -> None:
    """Gradio refuses a request whose values are not among the choices, and shows nobody why."""
    import gradio

    from pylon_zoo.app.wiring import build

    page = build(studio if opened else Studio({"small": studio.sources["small"].model}))
    kinds = (gradio.CheckboxGroup, gradio.Dropdown, gradio.Radio, gradio.Slider, gradio.Checkbox)
    settings = [block for block in page.blocks.values() if isinstance(block, kinds)]
    assert len(settings) == 7
    for setting in settings:
        setting.preprocess(setting.value)  # raises where it is not among the choices
    (marks,) = (setting for setting in settings if isinstance(setting, gradio.CheckboxGroup))
    assert ("true boxes" in marks.value) == opened
