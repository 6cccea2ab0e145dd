from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import draw

from pylon_zoo.data.check import check_dataset
from pylon_zoo.data.jsrt import Jsrt
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.errors import DataError, ImageError

WITH, WITHOUT = "CLNDAT_EN.txt", "CNNDAT_EN.TXT"
NODULE = "JPCLN{:03}.IMG\t5\t14\t53\tmale\t1634\t{}\tmalignant\tl.upper lobe\tlung cancer"


@pytest.fixture
def root(tmp_path) -> Path:
    """14 mm are 80 pixels of the 2048, on disk 1 of 16."""
    (tmp_path / WITH).write_text("\n\n".join(NODULE.format(number, 692) for number in range(1, 11)), encoding="utf-8")
    (tmp_path / WITHOUT).write_text(
        "\n".join(f"JPCNN{number:03}.IMG\t30\tmale\tnon-nodule" for number in range(1, 11)), encoding="utf-8"
    )
    for number in range(1, 11):
        draw(tmp_path / f"Nodule154images/JPCLN{number:03}.png", (128, 128))
        draw(tmp_path / f"NonNodule93images/JPCNN{number:03}.png", (128, 128))
    return tmp_path


def test_the_release(root):
    data = {split: open_dataset(f"jsrt:{root}", split) for split in ("train", "val", "test")}
    assert [one.targets().sum().item() for one in data.values()] == [7, 1, 2]
    assert [len(one) for one in data.values()] == [14, 2, 4]
    sample = next(sample for sample in data["test"] if sample.target[0])
    assert sample.boxes.tolist() == [[0, (1634 - 40) / 16, (692 - 40) / 16, (1634 + 40) / 16, (692 + 40) / 16]]
    assert all(len(sample.boxes) == sample.target.sum() for sample in data["train"])
    assert check_dataset(f"jsrt:{root}").problems == []


def test_the_raw_format_is_turned_to_white_on_black(root):
    values = np.zeros((2048, 2048), dtype=">u2")
    values[0, 1], values[5] = 4095, 1000
    path = root / "NonNodule93images/JPCNN001.IMG"
    values.tofile(path)
    image = Jsrt(root, "train").read(path)
    assert image.shape == (1, 2048, 2048)
    assert (image[0, 0, 0].item(), image[0, 0, 1].item()) == (1, 0)
    assert image[0, 5, 7].item() == pytest.approx(1 - 1000 / 4095)
    path.write_bytes(b"123")
    with pytest.raises(ImageError, match=r"JPCNN001.IMG' is not 2048×2048 values of 12 bits"):
        Jsrt(root, "train").read(path)


def test_a_square_at_the_edge_is_cut(root):
    (root / WITH).write_text("\n".join(NODULE.format(number, 10) for number in range(1, 11)), encoding="utf-8")
    assert Jsrt(root, "train")[0].boxes[0, 2].item() == 0


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (WITH, "\t1634\t", "\t2634\t", f"{WITH}' row 1 has the size '14' and the centre '2634', '692'"),
        (WITH, "\t14\t", "\tlarge\t", f"{WITH}' row 1 has the size 'large'"),
        (WITH, "JPCLN002", "JPCLN001", f"{WITH}' row 3 repeats image 'JPCLN001' of row 1"),
        (WITH, "JPCLN002.IMG", "2.IMG", f"{WITH}' row 3 is not a file JPC"),
        (WITHOUT, "JPCNN003", "JPCNN099", rf"1 of the .*{WITHOUT}' list them; looked in .*'JPCNN099'"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(root, file, old, new, message):
    text = (root / file).read_text(encoding="utf-8")
    assert old in text
    (root / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert len(check_dataset(f"jsrt:{root}").problems) == 1
    with pytest.raises(DataError, match=message) as caught:
        [Jsrt(root, split) for split in ("train", "val", "test")]
    assert "\n" not in str(caught.value)


def test_missing_tables(root):
    (root / WITHOUT).unlink()
    with pytest.raises(DataError, match=r"has no CNNDAT_EN\.TXT in it"):
        Jsrt(root, "train")
