from __future__ import annotations

from pathlib import Path

import pytest
from pictures import draw
from PIL import Image

from pylon_zoo.data.check import check_dataset
from pylon_zoo.data.problems import collect_problems
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.data.voc_xml import VocXml
from pylon_zoo.errors import ConfigError, DataError, UnknownNameError

CELL = (
    "<object><name>{name}</name><difficult>{difficult}</difficult>"
    "<bndbox><xmin>{x0}</xmin><ymin>3</ymin><xmax>8</xmax><ymax>10</ymax></bndbox></object>"
)
RED, WHITE = CELL.format(name="red cell", difficult=0, x0=1), CELL.format(name="white", difficult=1, x0=0)
OBJECTS = {"a": RED + WHITE, "b": WHITE, "c": "", "d": RED}
LISTS = {"train": "b\na\n", "val": "c\n"}


def xml(name: str) -> str:
    size = "<size><width>16</width><height>12</height><depth>3</depth></size>"
    return f"<annotation><filename>{name}.JPG</filename>{size}{OBJECTS[name]}</annotation>"


def write(folder: Path, names: str, images: str = "JPEGImages", annotations: str = "Annotations") -> None:
    for one in (images, annotations):
        (folder / one).mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / annotations / f"{name}.xml").write_text(xml(name), encoding="utf-8")
        draw(folder / images / f"{name}.JPG", mode="RGB")


@pytest.fixture
def root(tmp_path) -> Path:
    write(tmp_path, "abcd")
    (tmp_path / "ImageSets/Main").mkdir(parents=True)
    for split, names in LISTS.items():
        (tmp_path / f"ImageSets/Main/{split}.txt").write_text(names, encoding="utf-8")
    return tmp_path


def test_own_names_and_boxes_counted_from_one(root):
    data = VocXml(root, "train")
    assert (data.classes, data.patients, data.channels) == (("red cell", "white"), ["b", "a"], 3)
    assert data.targets().tolist() == [[0, 1], [1, 1]]
    assert data[1].boxes.tolist() == [[0, 0, 2, 8, 10], [1, 0, 2, 8, 10]]  # 0 is what some tools begin at
    assert VocXml(root, "val")[0].target.tolist() == [0, 0]
    report = check_dataset(f"voc-xml:{root}")
    assert (report.problems, [split.images for split in report.splits]) == ([], [2, 1])


def test_options(root):
    data = open_dataset(f"voc-xml:{root}", "train", classes="white,red cell", difficult=False, channels=1)
    assert (data.classes, data[0].image.shape) == (("white", "red cell"), (1, 12, 16))
    assert data.targets().isnan().tolist() == [[True, False], [True, False]]
    assert data[1].boxes[:, 0].tolist() == [1]
    with pytest.raises(DataError, match=r"a\.xml' object 1 has the name 'red cell': .*one of white, red cel\."):
        VocXml(root, "train", classes=["white", "red cel"])
    with pytest.raises(ConfigError, match="channels=2"):
        VocXml(root, "train", channels=2)
    with pytest.raises(ConfigError, match="each once"):
        VocXml(root, "train", classes="white,white")
    with pytest.raises(UnknownNameError, match="has no split 'test': it has train, val"):
        VocXml(root, "test")


def test_boxes_follow_a_resized_copy(root):
    Image.new("RGB", (8, 24)).save(root / "JPEGImages/d.JPG", "JPEG")
    (root / "ImageSets/Main/test.txt").write_text("d\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"d.JPG' is 8 wide and 24 high, but '.*d.xml' measures it as 16 wide and 12"):
        VocXml(root, "test")[0]
    Image.new("RGB", (8, 8)).save(root / "JPEGImages/d.JPG", "JPEG")
    assert VocXml(root, "test")[0].boxes[0, 1:].tolist() == pytest.approx([0, 2 * 8 / 12, 4, 10 * 8 / 12])


def test_a_folder_for_each_split(tmp_path):
    write(tmp_path / "train", "ab", ".", ".")
    write(tmp_path / "valid", "a", "images", "annotations")
    assert VocXml(tmp_path, "train").patients == ["train/a", "train/b"]
    data = VocXml(tmp_path, "val")
    assert (data.patients, len(data[0].boxes)) == (["valid/a"], 2)


@pytest.mark.parametrize("folders", [(".", "."), ("images", "annotations"), ("JPEGImages", "Annotations")])
def test_without_lists_the_hash_shares_out(tmp_path, folders):
    write(tmp_path, "abcd", *folders)
    assert sorted(name for split in ("train", "val", "test") for name in VocXml(tmp_path, split).patients) == [*"abcd"]


def test_images_without_a_file_can_be_negatives(tmp_path):
    write(tmp_path / "train", "abd", ".", ".")
    (tmp_path / "train/b.xml").unlink()
    assert VocXml(tmp_path, "train").patients == ["train/a", "train/d"]
    data = VocXml(tmp_path, "train", negatives=True)
    assert (data.patients, data.targets()[1].tolist()) == (["train/a", "train/b", "train/d"], [0, 0])
    assert (data[1].boxes.shape, data[1].image.shape) == ((0, 5), (3, 12, 16))


def test_an_image_by_the_name_that_the_file_states(tmp_path):
    write(tmp_path / "train", "a", ".", ".")
    (tmp_path / "train/a.xml").rename(tmp_path / "train/other.xml")
    assert VocXml(tmp_path, "train")[0].path.endswith("a.JPG")
    assert len(VocXml(tmp_path, "train", negatives=True)) == 1


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("Annotations/a.xml", "<xmax>8<", "<xmax>18<", "a.xml' object 1 has a box .*inside the image, 16 wide and 12"),
        ("Annotations/a.xml", "<name>red cell</name>", "", "a.xml' object 1 has no <name>"),
        ("Annotations/a.xml", "<name>red cell", "<name> ", "a.xml' object 1 has no <name>"),
        ("Annotations/a.xml", "<width>16<", "<width>0<", "a.xml' has no <size>"),
        ("Annotations/a.xml", "</annotation>", "", "a.xml' is not XML"),
        ("Annotations/a.xml", None, None, "a.xml' does not exist, but '.*train.txt' row 2 lists 'a'"),
        ("JPEGImages/a.JPG", None, None, "a.xml' is of an image 'a' or 'a.JPG' that is not in '.*JPEGImages'"),
        ("ImageSets/Main/val.txt", "c", "b", "val.txt' row 1 lists image 'b' of '.*train.txt' row 1 again"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(root, file, old, new, message):
    path = root / file
    if old is None:
        path.unlink()
    else:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        VocXml(root, "train")
    assert "\n" not in str(caught.value)
    with collect_problems() as problems:
        VocXml(root, "train")
    assert len(problems) == 1
    assert len(check_dataset(f"voc-xml:{root}").problems) == 1


def test_nothing_to_read(tmp_path, root):
    with pytest.raises(DataError, match="has no XML files, nor have"):
        VocXml(root / "JPEGImages", "train")
    for path in (root / "ImageSets/Main").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"has none of train\.txt, val\.txt and test\.txt"):
        VocXml(root, "train")
    (root / "ImageSets/Main/train.txt").write_text("c\n", encoding="utf-8")
    with pytest.raises(DataError, match="name no object"):
        VocXml(root, "train")
