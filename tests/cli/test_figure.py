"""`pylon-zoo figure`: from images, data and folders to files, and from a recipe to the same files again."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from own_images import write_coco
from PIL import Image

from pylon_zoo.cli.main import main
from pylon_zoo.figures.recipe import read_recipe
from pylon_zoo.models.build import build_model
from pylon_zoo.weights.checkpoint import save_checkpoint

pytest.importorskip("matplotlib")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data, two images, a model that has heatmaps and one that has none."""
    monkeypatch.chdir(tmp_path)
    write_coco(Path("tiles"), (4, 8))
    for name, grey in (("one", 30), ("two", 200)):
        Image.new("L", (48, 32), grey).save(f"{name}.png")
    for name, options in (("own", {}), ("mixed", {"head_mlp_layers": 2})):
        model = build_model("pylon_test_resnet", 2, 1, label_names=("bright", "dark"), **options)
        model.pretrained_cfg["input_size"] = (1, 64, 64)
        save_checkpoint(model, name)
    return tmp_path


MAPS = ["figure", "maps", "--data", "coco:tiles", "--split", "val", "--checkpoint", "own"]


@pytest.mark.parametrize("kinds", [("svg",), pytest.param(("pdf", "svg", "png"), marks=pytest.mark.slow)], ids=len)
def test_maps_of_data_and_the_same_again_from_the_recipe(place: Path, kinds, monkeypatch, capsys):
    out = "paper/fig" if len(kinds) > 1 else f"paper/fig.{kinds[0]}"
    methods = ["--method", "own", "--method", "grad-cam"]
    assert main([*MAPS, *methods, "--rows", "2", "--width", "page", "--dpi", "50", "--out", out]) == 0
    printed = capsys.readouterr().out
    assert all(f"fig.{kind}" in printed for kind in (*kinds, "toml"))
    recipe = tomllib.loads(Path("paper/fig.toml").read_text(encoding="utf-8"))
    assert [row["label"] for row in recipe["rows"]] == ["bright", "dark"]
    assert [column["name"] for column in recipe["columns"]] == ["PYLON", "Grad-CAM"]
    assert recipe["data"]["name"] == "coco:../tiles"
    assert recipe["width"] == 7.16
    svg = Path("paper/fig.svg").read_text(encoding="utf-8")
    assert 'id="panel-1-2-box-0"' in svg  # boxes of the data
    assert ">Grad-CAM</text>" in svg
    first = {path.name: path.read_bytes() for path in Path("paper").iterdir()}

    for kind in kinds:
        Path(f"paper/fig.{kind}").unlink()
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    assert main(["figure", "--recipe", "../paper/fig.toml", "--quiet"]) == 0
    assert {path.name: path.read_bytes() for path in (place / "paper").iterdir()} == first
    assert capsys.readouterr().out == ""

    assert main(["figure", "--recipe", "../paper/fig.toml", "--out", "copy.svg"]) == 0
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["copy.svg", "copy.toml"]
    assert Path("copy.svg").read_bytes() == first["fig.svg"]
    assert read_recipe("copy.toml") == replace(read_recipe("../paper/fig.toml"), formats=("svg",))


@pytest.mark.usefixtures("place")
def test_maps_of_images_with_names_of_ones_own():
    names = ["--labels", "dark", "--row-names", "Patient 1,Patient 2", "--names", "Ours"]
    arguments = ["figure", "maps", "one.png", "two.png", "--checkpoint", "own", *names, "--no-image"]
    assert main([*arguments, "--scaling", "image", "--out", "fig.svg"]) == 0
    svg = Path("fig.svg").read_text(encoding="utf-8")
    assert all(f">{name}</text>" in svg for name in ("Patient 1", "Patient 2", "Ours", "min", "max"))
    assert not Path("fig.pdf").exists()
    assert ">Image</text>" not in svg


@pytest.mark.slow
def test_curves_of_what_evaluate_wrote(place: Path):
    assert (
        main(["evaluate", *MAPS[2:], "--bootstrap", "0", "--thresholds-from", "val", "--out", "found", "--quiet"]) == 0
    )
    assert (place / "found" / "predictions.npz").is_file()
    for kind in ("roc", "precision-recall", "thresholds", "offsets"):
        assert main(["figure", kind, "found", "--out", f"{kind}.svg", "--quiet"]) == 0
        before = Path(f"{kind}.svg").read_bytes()
        assert b">dark" in before
        assert main(["figure", "--recipe", f"{kind}.toml", "--quiet"]) == 0
        assert Path(f"{kind}.svg").read_bytes() == before


WRONG = [
    (["--checkpoint", "mixed"], 2, "mixed has no heatmaps of its own: name an attribution method, such as grad_cam"),
    (["--method", "grad_camm"], 2, "Did you mean 'grad_cam'"),
    (["--images", "3,99"], 2, "coco/val has 8 images, counted from 0; there is no image 99."),
    (["--images", "first"], 2, "--images first is not a list of whole numbers, such as 3,17,40."),
    (["--labels", "blue"], 2, "There is no label 'blue' among the 2 of this model"),
    (["--labels", "dark,dark,dark", "--images", "1,2"], 2, "--labels names 3 classes for 2 rows: give as many"),
    (["--names", "A,B"], 2, "--names has 2 names for 1: give as many, with commas between."),
    (["--checkpoint", "gone"], 1, "gone"),
    (["one.png"], 2, "Name images, or with --data the dataset that they are taken from; not both."),
    (["--out", "fig.jpg"], 2, "--out fig.jpg ends in .jpg: a figure is .pdf, .svg, .png"),
    (["--width", "wide"], 2, "invalid width (column, page, or inches) value: 'wide'"),
    (["--width", "99"], 2, "A figure cannot be 99 inches wide: give column (3.5), page (7.16), or 1 to 20."),
]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(("words", "code", "message"), WRONG, ids=[" ".join(words) for words, *_ in WRONG])
def test_what_is_wrong_is_one_sentence_and_nothing_is_written(words, code, message, capsys):
    before = sorted(path.name for path in Path.cwd().iterdir())
    assert main([*MAPS, "--rows", "1", "--out", "fig", *words]) == code
    said = capsys.readouterr().err.splitlines()
    assert message in said[-1]
    assert sorted(path.name for path in Path.cwd().iterdir()) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["figure"], "Say which figure: maps, learning, roc, precision-recall, thresholds, offsets, or --recipe FILE."),
        (["figure", "maps", "a.png", "--out", "fig"], "Name at least one --model or --checkpoint"),
        (["figure", "maps", "--model", "pylon_resnet18.phantom_cxr", "--out", "fig"], "Name images, or with --data"),
        (["figure", "maps", "a.png", "--model", "pylon_resnet18.fantom", "--out", "fig"], "pylon_resnet18"),
        (["figure", "roc", "gone", "--out", "fig"], "gone holds no predictions.npz"),
        (["figure", "learning", "gone", "--out", "fig"], "gone holds no run that can be read"),
        (["figure", "--recipe", "gone.toml"], "The recipe gone.toml cannot be read"),
        (["figure", "--recipe", "a.toml", "roc", "gone", "--out", "fig"], "leave out roc, or the recipe"),
    ],
)
def test_what_is_missing_is_one_sentence(words, message, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) in (1, 2)
    (said,) = capsys.readouterr().err.splitlines()
    assert message in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("place")
def test_another_file_is_not_replaced_by_a_recipe(capsys):
    Path("pyproject.toml").write_text("[tool]\n", encoding="utf-8")
    assert main([*MAPS, "--out", "pyproject.pdf"]) == 2
    assert "pyproject.toml, where the figure's recipe would go, is another TOML file" in capsys.readouterr().err
    assert not Path("pyproject.pdf").exists()


def test_matplotlib_is_asked_for_by_its_extra(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    words = ["a.png", "--model", "pylon_resnet18.phantom_cxr", "--out", str(tmp_path / "fig")]
    assert main(["figure", "maps", *words]) == 2
    assert 'pip install "pylon-zoo[plot]"' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
