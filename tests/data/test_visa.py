from __future__ import annotations

from pathlib import Path

import pytest
from pictures import draw, draw_mask

from pylon_zoo.data.check import check_dataset
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.data.visa import Visa
from pylon_zoo.errors import ConfigError, DataError, UnknownNameError

BOX = (4, 2, 9, 5)
TABLE = "split_csv/2cls_highshot.csv"


@pytest.fixture
def root(tmp_path) -> Path:
    rows = ["object,split,label,image,mask"]
    for thing in ("candle", "pcb1"):
        for number in range(16):
            part = "train" if number < 8 else "test"
            image = f"{thing}/Data/Images/Normal/{number:04}.JPG"
            draw(tmp_path / image)
            rows.append(f"{thing},{part},normal,{image},")
            image, mask = (f"{thing}/Data/{kind}/Anomaly/{number:03}" for kind in ("Images", "Masks"))
            draw(tmp_path / f"{image}.JPG")
            draw_mask(tmp_path / f"{mask}.png", BOX)
            rows.append(f"{thing},{part},anomaly,{image}.JPG,{mask}.png")
    (tmp_path / "split_csv").mkdir()
    (tmp_path / TABLE).write_text("\n".join(rows), encoding="utf-8")
    return tmp_path


def test_the_release(root):
    data = {split: Visa(root, split) for split in ("train", "val", "test")}
    assert [len(one) for one in data.values()] == [28, 4, 32]
    assert [one.targets().sum().item() for one in data.values()] == [14, 2, 16]
    sample = data["test"][1]
    assert (sample.boxes.tolist(), sample.masks.sum().item(), sample.image.shape) == ([[0, *BOX]], 15, (3, 12, 16))
    assert (data["test"][0].boxes.shape, data["test"][0].masks.any().item()) == ((0, 5), False)
    report = check_dataset(f"visa:{root}")
    assert (report.problems, report.remarks) == ([], [])


def test_options(root):
    data = open_dataset(f"visa:{root}", "test", thing="candle", masks=False)
    assert (len(data), data[1].masks, data[1].boxes.shape) == (16, None, (0, 5))
    assert len(open_dataset(f"visa:{root}", "val", val_fraction=0)) == 0
    with pytest.raises(UnknownNameError, match=r"has no 'cande'.*Did you mean 'candle'"):
        Visa(root, "test", thing="cande")
    with pytest.raises(UnknownNameError, match="Unknown setup '2cls'"):
        Visa(root, "test", setup="2cls")
    with pytest.raises(DataError, match=r"1cls\.csv' does not exist"):
        Visa(root, "test", setup="1cls")
    with pytest.raises(ConfigError, match="val_fraction=1"):
        Visa(root, "val", val_fraction=1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("candle,train,normal", "candle,training,normal", r"highshot.csv' row 2 has the split 'training'"),
        ("candle,train,normal", "candle,train,fine", r"highshot.csv' row 2 has the label 'fine'"),
        ("candle,train,normal", "candle,train,anomaly", r"highshot.csv' row 2 is anomaly and has no mask"),
        (
            "Normal/0001.JPG",
            "Normal/0000.JPG",
            r"highshot.csv' row 4 repeats image 'candle/.*Normal/0000.JPG'",
        ),
        (
            "Normal/0000.JPG",
            "Normal/0099.JPG",
            r"1 of the .*highshot.csv' lists .*0099.JPG'",
        ),
        ("Masks/Anomaly/000.png", "Masks/Anomaly/x.png", r"1 of the \d+ images .*highshot.csv' lists .*x.png'"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(root, old, new, message):
    text = (root / TABLE).read_text(encoding="utf-8")
    (root / TABLE).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        Visa(root, "train", val_fraction=0)
    assert "\n" not in str(caught.value)
    assert len(check_dataset(f"visa:{root}").problems) == 1
