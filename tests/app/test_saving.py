from __future__ import annotations

import base64
import csv
import io
import json
import zipfile

import pytest
from PIL import Image
from prediction_inputs import encoded

from pylon_zoo.app import saving
from pylon_zoo.app.drawing import View
from pylon_zoo.app.studio import Desk, Studio

FILES = [("scans/1.png", encoded(1)), ("broken.png", b"a letter"), ("2.png", encoded(2))]


@pytest.fixture
def desk(studio: Studio) -> Desk:
    pictures = studio.taken([(name, content, len(content)) for name, content in FILES])
    return studio.brought(pictures, ["small", "other"])


def test_the_pictures_side_by_side(desk: Desk) -> None:
    name, content = saving.pictures(desk, View("mass"))
    drawn = Image.open(io.BytesIO(content))
    assert name == "1__mass.png"
    assert drawn.width == 2 * desk.sides[0].explanation.overlay("mass").width


def test_a_line_per_image_and_class(studio: Studio, desk: Desk) -> None:
    rows = list(csv.DictReader(io.StringIO(saving.table(studio, desk, "small").decode())))
    assert [row["image"] for row in rows] == ["scans/1.png"] * 3 + ["broken.png"] + ["2.png"] * 3
    assert "'broken.png' is not an image" in rows[3]["error"]
    finding = desk.sides[0].explanation.findings[0]
    assert rows[0]["label"] == finding.label
    assert float(rows[0]["probability"]) == pytest.approx(finding.probability, abs=1e-6)
    assert (int(rows[0]["peak_x"]), int(rows[0]["peak_y"])) == finding.peak
    assert len(rows[0]["boxes"].split()) == len(finding.boxes)


def test_the_same_as_json(studio: Studio, desk: Desk) -> None:
    found = json.loads(saving.results(studio, desk, "other"))
    assert found["model"] == "other"
    assert [image["error"] is None for image in found["images"]] == [True, False, True]
    assert [finding["label"] for finding in found["images"][0]["findings"]] == [
        finding.label for finding in desk.sides[1].explanation.findings
    ]
    assert {"threshold", "found", "peak", "boxes"} < set(found["images"][0]["findings"][0])


def test_the_report_says_what_was_left_out(studio: Studio, desk: Desk) -> None:
    with zipfile.ZipFile(io.BytesIO(saving.report(studio, desk, "small", "absolute"))) as archive:
        names = archive.namelist()
        assert "'broken.png'" in archive.read("left-out.txt").decode()
        listed = json.loads(archive.read("results.json"))
    assert {"report.html", "results.json"} < set(names)
    assert [image["path"] for image in listed["images"]] == ["scans/1.png", "2.png"]
    assert sum(name.endswith(".png") for name in names) == 6


def test_a_download_can_be_asked_for_twice() -> None:
    first, second = (saving.as_download("a.csv", "text/csv", b"a,b\n") for _ in range(2))
    assert first != second
    assert base64.b64decode(json.loads(first)["content"]) == b"a,b\n"
