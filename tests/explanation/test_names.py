from __future__ import annotations

from itertools import product

import pytest

from pylon_zoo.explanation.names import DEVICES, ImageNames, overlay_name, slug


def test_same_stems_get_different_names() -> None:
    names = ImageNames()
    taken = [names.take(path) for path in ("a/x.png", "b/x.png", "x-2.png", "b/X.jpg")]
    assert taken == ["x", "x-2", "x-2-2", "X-3"]


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "a\\b:c*?.png", "", ".png", "结节.png", "x" * 500, " . ", "con/\n.png"]
)
def test_names_are_safe(path: str) -> None:
    name = ImageNames().take(path)
    assert name
    assert len(name) <= 60
    assert all(char.isascii() and (char.isalnum() or char in "-_") for char in name)


@pytest.mark.parametrize("path", ["con.png", "scans/NUL.dcm", "Aux", "com1.tar.png", "LPT\N{SUPERSCRIPT TWO}.png"])
def test_no_image_is_named_like_a_device_of_windows(path: str) -> None:
    name = ImageNames().take(path)
    assert name.partition(".")[0].casefold() not in DEVICES
    assert name.casefold().startswith(path.rpartition("/")[2][:3].casefold())


def test_findings_never_share_a_file() -> None:
    images, labels = ["a", "a_1", "a_1_b"], ["b", "1_b", "_b", "结节", "节结"]
    files = [overlay_name(image, rank, label) for image, (rank, label) in product(images, enumerate(labels, 1))]
    assert len({file.casefold() for file in files}) == len(files)


def test_accents_become_letters() -> None:
    assert slug("Épanchement", "label") == "Epanchement"
