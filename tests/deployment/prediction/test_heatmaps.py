from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pylon_zoo.deployment.prediction.heatmaps import LABEL, read_heatmaps, write_png
from pylon_zoo.errors import ImageError


@pytest.mark.parametrize("low", [-1e4, -3.7, 0.0, 12.3])
@pytest.mark.parametrize("spread", [1e-3, 1.0, 31.4, 1e4])
def test_values_come_back_within_half_a_step(tmp_path: Path, low: float, spread: float) -> None:
    values = (low + spread * np.random.default_rng(0).random((37, 23))).astype(np.float32)
    write_png(tmp_path / "map.png", values, {LABEL: "Pleuraerguß"})
    got = read_heatmaps(tmp_path / "map.png")
    assert list(got) == ["Pleuraerguß"]
    half_step = (values.max().astype(np.float64) - values.min()) / 255 / 2
    rounding = np.spacing(np.abs(values).max())  # the values themselves are float32
    assert np.abs(got["Pleuraerguß"].astype(np.float64) - values).max() <= half_step + rounding


def test_a_flat_map_comes_back_exactly(tmp_path: Path) -> None:
    values = np.full((4, 5), -2.345, np.float32)
    write_png(tmp_path / "map.png", values, {LABEL: "mass"})
    assert (read_heatmaps(tmp_path / "map.png")["mass"] == values).all()


def test_the_png_is_a_grey_picture_for_anyone(tmp_path: Path) -> None:
    write_png(tmp_path / "map.png", np.array([[0.0, 1.0]], np.float32), {LABEL: "mass"})
    with Image.open(tmp_path / "map.png") as image:
        assert image.mode == "L"
        assert np.asarray(image).tolist() == [[0, 255]]


@pytest.mark.parametrize("name", ["other.png", "text.png", "text.npz", "nowhere.npz"])
def test_other_files_are_refused(name: str, tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "other.png")
    for text in ("text.png", "text.npz"):
        (tmp_path / text).write_text("no map", encoding="utf-8")
    with pytest.raises(ImageError, match="holds no heatmaps"):
        read_heatmaps(tmp_path / name)
