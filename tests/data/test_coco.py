from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import draw
from PIL import Image

from pylon_zoo.data.check import check_dataset
from pylon_zoo.data.coco import CocoDetection
from pylon_zoo.data.json_file import read_json
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.errors import ConfigError, DataError, UnknownNameError

TABLE = {
    "info": {"year": 2017},
    "licenses": [],
    "categories": [
        {"id": 18, "name": "dog", "supercategory": "animal"},
        {"id": 1, "name": "person", "supercategory": "person"},
        {"id": 90, "name": "toothbrush"},
    ],
    "images": [
        {"id": 397133, "file_name": "000000397133.jpg", "height": 20, "width": 40, "license": 1},
        {"id": 5, "file_name": "000000000005.jpg", "height": 20, "width": 40},
        {"id": 6, "file_name": "000000000006.jpg", "height": 20, "width": 40},
    ],
    "annotations": [
        {"id": 1, "image_id": 397133, "category_id": 18, "bbox": [1.5, 2, 10.25, 18.0], "iscrowd": 0, "area": 9.0},
        {"id": 2, "image_id": 397133, "category_id": 18, "bbox": [0, 0, 40.4, 20], "iscrowd": 0, "segmentation": []},
        {"id": 3, "image_id": 397133, "category_id": 90, "bbox": [1, 2, 3, 4], "iscrowd": 1},
        {"id": 4, "image_id": 5, "category_id": 1, "bbox": [1, 2, 3, 4]},
    ],
}


def write(path: Path, table: object, folder: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(table if isinstance(table, str) else json.dumps(table), encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    for image in TABLE["images"]:
        draw(folder / image["file_name"], (40, 20), "RGB")


@pytest.fixture
def root(tmp_path) -> Path:
    write(tmp_path / "annotations/instances_val2017.json", TABLE, tmp_path / "val2017")
    return tmp_path


def test_the_release(root):
    data = CocoDetection(root, "val")
    assert data.classes == ("person", "dog", "toothbrush")  # ids have gaps and come in any order
    assert data.targets().tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert data[0].boxes.tolist() == [[1, 1.5, 2, 11.75, 20], [1, 0, 0, 40, 20]]
    assert data[0].image.shape == (3, 20, 40)
    assert data[2].boxes.shape == (0, 5)
    assert open_dataset(f"coco:{root}", "val", channels=1)[0].image.shape == (1, 20, 40)
    with pytest.raises(UnknownNameError, match=r"no annotations of the split 'train': it has '.*val2017.json'"):
        CocoDetection(root, "train")
    assert check_dataset(f"coco:{root}").problems == []


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("annotations/instances_val2014.json", "images/val2014"),
        ("annotations/instances_val.json", "images"),
        ("annotations/val.json", "images/val"),
        ("val.json", "."),
        ("valid/_annotations.coco.json", "valid"),
    ],
)
def test_other_layouts(tmp_path, file, folder):
    write(tmp_path / file, TABLE, tmp_path / folder)
    assert len(CocoDetection(tmp_path, "val")) == 3


def test_one_file_is_shared_out(tmp_path):
    write(tmp_path / "annotations.json", TABLE, tmp_path / "images")
    splits = [CocoDetection(tmp_path, split) for split in ("train", "val", "test")]
    names = sorted(name for data in splits for name in data.patients)
    assert names == sorted(f"images/{image['file_name']}" for image in TABLE["images"])


def test_boxes_follow_a_resized_copy(root):
    Image.new("RGB", (20, 10)).save(root / "val2017/000000397133.jpg")
    assert CocoDetection(root, "val")[0].boxes[0].tolist() == [1, 0.75, 1, 5.875, 10]
    Image.new("RGB", (10, 20)).save(root / "val2017/000000397133.jpg")
    with pytest.raises(DataError, match="on its side"):
        CocoDetection(root, "val")[0]


REMOVED = object()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("categories",), REMOVED, "has nothing as 'categories': it must be list"),
        (("categories",), [], "has no categories"),
        (("categories", 0, "name"), "person", r"categories\[1\] repeats"),
        (("categories", 0, "id"), "18", r"categories\[0\] has '18' as 'id': it must be int"),
        (("images",), [], "has no images"),
        (("images", 1), 7, r"images\[1\] is no object"),
        (("images", 1, "id"), 397133, r"images\[1\] repeats the id 397133"),
        (("images", 1, "file_name"), "000000397133.jpg", r"images\[1\] repeats"),
        (("images", 1, "file_name"), REMOVED, r"images\[1\] has nothing as 'file_name'"),
        (("images", 1, "width"), 0, r"images\[1\] is 0 wide"),
        (("images", 1, "height"), True, r"images\[1\] has True as 'height'"),
        (("images", 1, "file_name"), "no.jpg", r"1 of the 3 images of split 'val' are not on disk.*'no.jpg'"),
        (("annotations",), REMOVED, "has nothing as 'annotations'"),
        (("annotations", 1, "image_id"), 7, r"annotations\[1\] is of the image 7"),
        (("annotations", 1, "category_id"), 2, r"annotations\[1\] has the category 2"),
        (("annotations", 1, "id"), 1, r"annotations\[1\] repeats the id 1 of annotations\[0\]"),
        (("annotations", 1, "bbox"), REMOVED, r"annotations\[1\] has nothing as 'bbox'"),
        (("annotations", 1, "bbox"), [0, 0, 1], r"annotations\[1\] has the bbox \[0, 0, 1\]"),
        (("annotations", 1, "bbox"), [0, 0, 1, "4"], r"annotations\[1\] has the bbox"),
        (("annotations", 1, "bbox"), [0, 0, -1, 4], r"annotations\[1\] has a box"),
        (("annotations", 1, "bbox"), [-3, 0, 0, 4], r"annotations\[1\] has a box"),
        (("annotations", 1, "bbox"), [0, 0, 42, 4], r"annotations\[1\] has a box .*40 wide and 20 high"),
        (("annotations", 1, "bbox"), [-3, 0, 9, 4], r"annotations\[1\] has a box"),
        (("annotations", 1, "bbox"), [0, 0, 10**400, 4], r"annotations\[1\] has a box"),
        (("annotations", 1, "bbox"), [10**400, 0, 1.5, 4], r"annotations\[1\] has a box"),
    ],
)
def test_a_malformed_entry_is_named(root, place, value, message):
    table = deepcopy(TABLE)
    parent = table
    for key in place[:-1]:
        parent = parent[key]
    if value is REMOVED:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    (root / "annotations/instances_val2017.json").write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        CocoDetection(root, "val")
    assert "instances_val2017.json" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[]", "must be an object"),
        (b"\xff\xfe{\x00}\x00", "is not UTF-8"),
        (b'{"images": NaN}', "NaN is no number"),
        (b'{"images": [], "images": []}', "the key 'images' is there twice"),
        (b"[" * 100_000, "nested too deeply|is not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON"),
    ],
)
def test_files_of_another_kind(root, content, message):
    (root / "annotations/instances_val2017.json").write_bytes(content)
    with pytest.raises(DataError, match=message):
        CocoDetection(root, "val")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40) | st.text(alphabet='{}[]":,0e-.truefalsn ', max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_bytes(content)
    with suppress(DataError):
        assert isinstance(read_json(path, dict), dict)


def test_other_mistakes(root, tmp_path):
    with pytest.raises(DataError, match=r"has none of annotations/instances_SPLIT2017.json"):
        CocoDetection(root / "val2017", "val")
    with pytest.raises(ConfigError, match="channels=2"):
        CocoDetection(root, "val", channels=2)
    with pytest.raises(DataError, match="does not exist"):
        read_json(root / "no.json", dict)


def test_a_line_sets_the_label_and_gives_no_box(root):
    table = deepcopy(TABLE)
    before = CocoDetection(root, "val")
    table["annotations"][3]["bbox"] = [1, 2, 3, 0.0]
    write(root / "annotations/instances_val2017.json", table, root / "val2017")
    after = CocoDetection(root, "val")
    assert after.targets().tolist() == before.targets().tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert ([len(sample.boxes) for sample in before], [len(sample.boxes) for sample in after]) == ([2, 1, 0], [2, 0, 0])


def test_a_check_names_all(root):
    table = deepcopy(TABLE)
    table["annotations"][0]["bbox"], table["annotations"][3]["category_id"] = [1, 1, -2, 4], 3
    write(root / "annotations/instances_val2017.json", table, root / "val2017")
    other = deepcopy(TABLE) | {"categories": TABLE["categories"][:2], "annotations": []}
    write(root / "annotations/instances_train2017.json", other, root / "train2017")
    problems = check_dataset(f"coco:{root}").problems
    assert "annotations[0] has a box" in problems[0]
    assert "annotations[3] has the category 3" in problems[1]
    assert "has other classes in 'val'" in problems[2]
    assert len(problems) == 3  # images of one name in two folders are no leak
