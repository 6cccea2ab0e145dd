"""`pylon-zoo data`."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pylon_zoo.cli.main import main


@pytest.fixture
def root(tmp_path) -> Path:
    rows = [f"{number}.png,Mass" for number in range(60)]
    (tmp_path / "labels.csv").write_text("\n".join(["image,labels", *rows]), encoding="utf-8")
    (tmp_path / "boxes.csv").write_text("image,label,x0,y0,x1,y1\n7.png,Mass,0,0,4,4\n", encoding="utf-8")
    for number in range(60):
        image = Image.linear_gradient("L").resize((8, 8))
        image.putpixel((0, 0), number)
        image.save(tmp_path / f"{number}.png")
    return tmp_path


def test_a_good_dataset(root, capsys):
    assert main(["data", "check", f"csv:{root}"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0].split() == ["split", "images", "patients", "boxes", "decoded", "smallest", "largest"]
    assert [line.split()[0] for line in lines[1:4]] == ["train", "val", "test"]
    assert sum(int(line.split()[1]) for line in lines[1:4]) == 60
    assert "Mass       1      4       4  25.0  25.0  25.0" in lines
    assert lines[-1] == "No problems."


def test_problems_are_named_and_make_exit_code_1(root, capsys):
    (root / "boxes.csv").write_text("image,label,x0,y0,x1,y1\n7.png,Mass,4,0,4,4\n", encoding="utf-8")
    (root / "3.png").write_bytes(b"")
    assert main(["data", "check", f"csv:{root}"]) == 1
    out, err = capsys.readouterr()
    assert out.endswith("2 problems.\n")
    assert "boxes.csv' row 2 has a box" in err
    assert "3.png' is empty" in err


def test_remarks_are_named_and_make_exit_code_0(root, capsys):
    Image.new("L", (8, 8)).save(root / "3.png")
    assert main(["data", "check", f"csv:{root}"]) == 0
    out, err = capsys.readouterr()
    assert out.endswith("No problems, 1 remark.\n")
    assert err == f"remark: '{root}/3.png' has one value everywhere; export it again if it should not.\n"
    assert main(["data", "check", f"csv:{root}", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_options_of_the_dataset(root, capsys, tmp_path_factory):
    assert main(["data", "check", f"csv:{root}", "--data-option", "classes=Mass,Edema"]) == 0
    assert "Edema   0 / 0" in capsys.readouterr().out
    out = tmp_path_factory.mktemp("copies") / "small"
    assert main(["data", "prepare", f"csv:{root}", "--out", str(out), "--data-option", "channels=1", "--quiet"]) == 0
    assert Image.open(out / "7.png").mode == "L"
    assert main(["data", "check", f"csv:{root}", "--data-option", "channels=2"]) == 2
    assert "channels=2 must be 1" in capsys.readouterr().err


def test_many_problems_are_counted(root, capsys):
    for number in range(60):
        (root / f"{number}.png").write_bytes(b"")
    assert main(["data", "check", f"csv:{root}", "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 51
    assert "… and 10 more; --all-problems" in err
    assert main(["data", "check", f"csv:{root}", "--quiet", "--all-problems"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 60


@pytest.mark.parametrize(
    ("arguments", "message"), [(["check", "fantom"], "Did you mean 'phantom'"), (["chek"], "chek"), ([], "ACTION")]
)
def test_mistakes_are_usage_errors(capsys, arguments, message):
    assert main(["data", *arguments]) == 2
    assert message in capsys.readouterr().err
