from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from pylon_zoo.data.problems import collect_problems
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.data.voc import OBJECTS, PascalVoc
from pylon_zoo.errors import ConfigError, DataError, ImageError, UnknownNameError

XML = """\
<annotation>
\t<folder>VOC2012</folder>
\t<filename>{name}.jpg</filename>
\t<source><database>The VOC2008 Database</database></source>
\t<size>
\t\t<width>40</width>
\t\t<height>20</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>0</segmented>
{objects}
</annotation>
"""
PERSON = """\
\t<object>
\t\t<name>person</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>0</difficult>
\t\t<bndbox><xmax>40</xmax><xmin>1</xmin><ymax>20</ymax><ymin>1</ymin></bndbox>
\t\t<part><name>head</name><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>
\t\t<part><name>hand</name><bndbox><xmin>5</xmin><ymin>4</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>
\t</object>"""
DOG = """\
\t<object>
\t\t<name>dog</name>
\t\t<difficult>1</difficult>
\t\t<bndbox><xmin>11.5</xmin><ymin>5</ymin><xmax>20.25</xmax><ymax>6</ymax></bndbox>
\t</object>"""
IMAGES = {"2008_000001": PERSON + "\n" + DOG, "2008_000002": DOG, "2009_000003": ""}
LISTS = {"train": "2008_000002\n2008_000001\n", "val": "2009_000003\n"}


def write_release(base: Path, lists: dict[str, str]) -> None:
    for folder in ("ImageSets/Main", "Annotations", "JPEGImages"):
        (base / folder).mkdir(parents=True)
    for split, names in lists.items():
        (base / f"ImageSets/Main/{split}.txt").write_text(names, encoding="utf-8")
    (base / "ImageSets/Main/dog_train.txt").write_text("2008_000001  0\n", encoding="utf-8")
    for name, objects in IMAGES.items():
        (base / f"Annotations/{name}.xml").write_text(XML.format(name=name, objects=objects), encoding="utf-8")
        Image.new("RGB", (40, 20), (200, 10, 10)).save(base / f"JPEGImages/{name}.jpg")


@pytest.fixture
def root(tmp_path) -> Path:
    write_release(tmp_path / "VOCdevkit/VOC2012", LISTS)
    return tmp_path


@pytest.fixture
def base(root) -> Path:
    return root / "VOCdevkit/VOC2012"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_boxes_counted_from_one_become_edges(root):
    data = PascalVoc(root, "train")
    assert [sample.patient for sample in data] == ["2008_000002", "2008_000001"] == data.patients
    boxes = data[1].boxes
    person, dog = OBJECTS.index("person"), OBJECTS.index("dog")
    assert boxes.tolist() == [[person, 0, 0, 40, 20], [dog, 10.5, 4, 20.25, 6]]  # parts are not objects
    assert data[1].image.shape == (3, 20, 40)
    assert data[1].target.nonzero().flatten().tolist() == [dog, person]
    assert torch.equal(data.targets()[1], data[1].target)
    assert (data.num_classes, len(PascalVoc(root, "val"))) == (20, 1)
    assert PascalVoc(root, "val")[0].boxes.shape == (0, 5)


def test_boxes_follow_a_resized_copy(root, base):
    Image.new("RGB", (20, 10)).save(base / "JPEGImages/2008_000001.jpg")
    assert PascalVoc(root, "train")[1].boxes[0, 1:].tolist() == [0, 0, 20, 10]


def test_an_image_on_its_side_is_refused(root, base):
    Image.new("RGB", (20, 40)).save(base / "JPEGImages/2008_000001.jpg")
    with pytest.raises(DataError, match=r"2008_000001.jpg' is 20 wide and 40 high.*2008_000001.xml.*on its side"):
        PascalVoc(root, "train")[1]


def test_without_difficult_objects_their_class_is_unknown(root):
    data = PascalVoc(root, "train", difficult=False)
    dog, person = OBJECTS.index("dog"), OBJECTS.index("person")
    assert data.targets()[:, dog].isnan().all()
    assert data[1].boxes[:, 0].tolist() == [person]
    assert data.targets()[1, person] == 1
    assert data.targets().nansum() == 1


def test_the_background_is_never_positive(root):
    data = PascalVoc(root, "train", background=True)
    assert (data.num_classes, data.classes[0]) == (21, "background")
    assert (data.targets()[:, 0] == 0).all()
    assert data[1].boxes[:, 0].tolist() == [15, 12]


@pytest.mark.parametrize("where", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_any_of_the_three_folders(root, where):
    assert len(open_dataset(f"voc:{root / where}", "train")) == 2
    assert open_dataset(f"pascal-voc:{root / where}", "train", background=True).num_classes == 21


def test_two_years(root):
    write_release(root / "VOCdevkit/VOC2007", {**LISTS, "test": "2008_000001\n"})
    assert len(PascalVoc(root, "test", year="2007")) == 1
    with pytest.raises(DataError, match="holds VOC2012 and VOC2007: give one of these"):
        PascalVoc(root, "test")
    with pytest.raises(UnknownNameError, match=r"has no split 'test'.*it has train, val"):
        PascalVoc(root, "test", year="2012")


XML_FILE, LIST = "Annotations/2008_000001.xml", "ImageSets/Main/train.txt"
WHERE = r"2008_000001\.xml' object 1 "


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (XML_FILE, "<name>person", "<name>persom", WHERE + "has the name 'persom'.*Did you mean 'person'"),
        (XML_FILE, "<name>person</name>", "", WHERE + "has the name 'None'"),
        (XML_FILE, "<xmax>40<", "<xmax>43<", WHERE + "has a box .* 43.0, .*inside the image, 40 wide and 20 high"),
        (XML_FILE, "<xmax>40<", "<xmax>0<", WHERE + "has a box .*x0 below x1"),
        (XML_FILE, "<xmax>40<", "<xmax>nan<", WHERE + "has a box .* nan"),
        (XML_FILE, "<xmax>40<", "<xmax>left<", WHERE + "has a box .* left"),
        (XML_FILE, "<xmin>1<", "<xmin>-5<", WHERE + "has a box .* = -6.0"),
        (XML_FILE, "<xmax>40</xmax>", "", WHERE + "has a box .* None"),
        (XML_FILE, "<xmax>40</xmax>", "<xmax>40</xmax><xmax>9</xmax>", WHERE + "has a box"),
        (XML_FILE, "bndbox", "box", "not XML"),
        (XML_FILE, "\t\t<part>", "\t\t<bndbox>1</bndbox><part>", WHERE + "has more than one <bndbox>"),
        (XML_FILE, "<width>40</width>", "", "has no <size>"),
        (XML_FILE, "<width>40<", "<width>0<", "has no <size>"),
        (XML_FILE, "<width>40<", "<width>wide<", "has no <size>"),
        (XML_FILE, "</annotation>", "", "is not XML"),
        (XML_FILE, "<annotation>", '<?xml version="1.0" encoding="none"?><annotation>', "is not XML"),
        (LIST, "2008_000001", "2008_000002", "row 2 repeats image '2008_000002' of row 1"),
        (LIST, LISTS["train"], "\n", "is empty"),
        (LIST, "2008_000001", "2008_000009", r"1 of the 2 images of split 'train' are not on disk.*'2008_000009'"),
    ],
)
def test_a_malformed_file_is_named_with_its_place(root, base, file, old, new, message):
    edit(base / file, old, new)
    with pytest.raises(DataError, match=message) as caught:
        PascalVoc(root, "train")
    assert "\n" not in str(caught.value)
    if "not on disk" not in message:
        assert file in str(caught.value)


def test_difficult_is_a_flag(root, base):
    edit(base / XML_FILE, "<difficult>0", "<difficult>no")
    with pytest.raises(DataError, match=WHERE + "has <difficult> 'no'"):
        PascalVoc(root, "train", difficult=False)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"<annotation/>", b"<a><b/></a>", b"<annotation>x</annotation>", b"<"]
)
def test_files_of_another_kind(root, base, content):
    (base / XML_FILE).write_bytes(content)
    with pytest.raises(DataError, match=r"2008_000001\.xml"):
        PascalVoc(root, "train")


def test_entities_that_grow_without_end_are_refused(root, base):
    doubles = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 20}">' for n in range(1, 12))
    (base / XML_FILE).write_text(
        f'<!DOCTYPE a [<!ENTITY e0 "x">{doubles}]><annotation>&e11;</annotation>', encoding="utf-8"
    )
    with pytest.raises(DataError, match="is not XML"):
        PascalVoc(root, "train")


def test_lists_that_are_not_text(root, base):
    (base / LIST).write_bytes(b"\xff\xfe2")
    with pytest.raises(DataError, match=r"train\.txt' is not UTF-8"):
        PascalVoc(root, "train")


def test_missing_files(root, base):
    (base / XML_FILE).unlink()
    with pytest.raises(DataError, match=r"2008_000001\.xml' does not exist, but '.*train.txt' row 2 lists"):
        PascalVoc(root, "train")
    (base / "JPEGImages/2008_000002.jpg").write_bytes(b"")
    (base / XML_FILE).write_text(XML.format(name="", objects=DOG), encoding="utf-8")
    with pytest.raises(ImageError, match=r"2008_000002\.jpg' is empty"):
        PascalVoc(root, "train")[0]
    with pytest.raises(DataError, match="has neither 'VOC2012' nor"):
        PascalVoc(base / "Annotations", "train")
    with pytest.raises(DataError, match="'/no/such' does not exist"):
        PascalVoc("/no/such", "train")
    (base / "ImageSets").rename(root / "lists")
    with pytest.raises(DataError, match="ImageSets/Main' does not exist"):
        PascalVoc(root, "train")


def test_options(root):
    with pytest.raises(UnknownNameError, match=r"Unknown split 'vali'.*Did you mean 'val'"):
        PascalVoc(root, "vali")
    with pytest.raises(ConfigError, match="year='2010'"):
        PascalVoc(root, "train", year="2010")


def test_a_check_goes_on_after_a_malformed_file(root, base):
    edit(base / XML_FILE, "<xmax>40<", "<xmax>99<")
    edit(base / "Annotations/2008_000002.xml", "<name>dog", "<name>dgo")
    with collect_problems() as problems:
        assert len(PascalVoc(root, "train")) == 0
    assert ["object 1" in problem for problem in problems] == [True, True]
