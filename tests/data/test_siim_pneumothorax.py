from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pictures import draw

from pylon_zoo.data.check import check_dataset
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.data.rle import decode_gaps
from pylon_zoo.data.siim_pneumothorax import SiimPneumothorax
from pylon_zoo.errors import DataError

TABLE = "train-rle.csv"
PRESENT = [f"1.2.276.0.{number}.1" for number in range(10)]
ABSENT = [f"1.2.276.0.{number}.2" for number in range(20)]
# Columns 512 to 515 from row 256 on, 128 of them: a gap from the start, then gaps from each run's end.
MASK = f"{512 * 1024 + 256} 128 896 128 896 128 896 128"
OTHER = f"{512 * 1024 + 384} 32 992 32 992 32 992 32"  # the 32 rows below


@pytest.fixture
def root(tmp_path) -> Path:
    rows = ["ImageId, EncodedPixels", *(f"{image}, -1" for image in ABSENT)]
    for image in PRESENT:
        rows += [f"{image}, {MASK}", f"{image}, {OTHER}"]
    (tmp_path / TABLE).write_text("\n".join(rows), encoding="utf-8")
    for image in PRESENT + ABSENT:
        draw(tmp_path / "dicom-images-train" / f"{image}.9" / f"{image}.8" / f"{image}.png", (256, 256))
    return tmp_path


def test_runs_go_down_the_columns_from_where_the_last_one_ended():
    mask = decode_gaps("here", MASK, (1024, 1024))
    assert mask.sum() == 4 * 128
    assert mask[256:384, 512:516].all()
    for text in ("", "1", "1 2 3", "1 x", "-1 4", "1048570 7"):
        with pytest.raises(DataError, match="here has runs that are no pairs"):
            decode_gaps("here", text, (1024, 1024))


def test_the_release(root):
    data = {split: open_dataset(f"siim-pneumothorax:{root}", split) for split in ("train", "val", "test")}
    assert [one.targets().sum().item() for one in data.values()] == [7, 1, 2]
    sample = next(sample for sample in data["test"] if sample.target[0])
    assert sample.boxes.tolist() == [[0, 128, 64, 129, 104]]  # two masks that touch are one region; a quarter on disk
    assert torch.equal(sample.masks[0].nonzero().amin(dim=0), torch.tensor([64, 128]))
    assert not any(len(sample.boxes) for sample in data["val"] if not sample.target[0])
    assert open_dataset(f"siim-pneumothorax:{root}", "test", masks=False)[0].masks is None
    assert check_dataset(f"siim-pneumothorax:{root}").problems == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (MASK, "5 x", f"{TABLE}' row 22 has runs that are no pairs"),
        (MASK, "", f"{TABLE}' row 22 has no EncodedPixels"),
        (OTHER, "-1", f"{TABLE}' row 23 contradicts or repeats row 22"),
        (OTHER, MASK, f"{TABLE}' row 23 contradicts or repeats row 22"),
        (f"{ABSENT[0]},", "1.2.3,", r"1 of the .*train-rle.csv' lists them; .*'1\.2\.3'"),
        ("EncodedPixels", "Pixels", f"{TABLE}' lacks the column 'EncodedPixels'"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(root, old, new, message):
    text = (root / TABLE).read_text(encoding="utf-8")
    assert old in text
    (root / TABLE).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert len(check_dataset(f"siim-pneumothorax:{root}").problems) == 1
    with pytest.raises(DataError, match=message) as caught:
        [SiimPneumothorax(root, split) for split in ("train", "val", "test")]
    assert "\n" not in str(caught.value)


def test_no_table(root):
    (root / TABLE).unlink()
    with pytest.raises(DataError, match=r"has neither stage_2_train\.csv nor train-rle\.csv"):
        SiimPneumothorax(root, "train")
