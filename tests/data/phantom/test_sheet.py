from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[3] / "examples" / "phantom_sheet.py"


@pytest.mark.parametrize("data", ["phantom", "cluttered-digits"])
def test_the_example_draws_a_sheet_with_boxes(data, tmp_path, capsys):
    main = runpy.run_path(str(SCRIPT))["main"]
    options = ["--rows", "1", "--columns", "3", "--size", "64", "--data", data]
    assert main(["--out", str(tmp_path / "a" / "with.png"), *options]) == 0
    assert main(["--out", str(tmp_path / "without.png"), *options, "--no-boxes"]) == 0
    assert "3 images" in capsys.readouterr().out
    boxed, plain = (np.asarray(Image.open(tmp_path / name)) for name in ("a/with.png", "without.png"))
    assert boxed.shape == (64, 192, 3)
    assert (plain[..., 0] == plain[..., 2]).all()
    assert (boxed != plain).any()
