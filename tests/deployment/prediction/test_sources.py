from __future__ import annotations

import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from prediction_inputs import encoded, write_folder, write_tar

from pylon_zoo.data.images import read_image
from pylon_zoo.deployment.prediction.items import Item, open_item
from pylon_zoo.deployment.prediction.parquet_source import Columns, with_content
from pylon_zoo.deployment.prediction.sources import expand_braces, list_items
from pylon_zoo.errors import ConfigError, ImageError


def keys(*inputs: str | Path, columns: Columns = Columns()) -> list[str]:  # noqa: B008
    return [item.key for item in list_items(inputs, columns)]


def images(*inputs: str | Path, columns: Columns = Columns()) -> list[torch.Tensor]:  # noqa: B008
    return [open_item(item) for item in with_content(list_items(inputs, columns), columns)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_searched_to_the_bottom_in_natural_order(here: Path) -> None:
    write_folder(here / "scans", 3)
    write_folder(here / "scans" / "10", 1)
    write_folder(here / "scans" / "9", 1)
    write_folder(here / "scans" / ".hidden", 1)
    (here / "scans" / "notes.txt").write_text("no list either", encoding="utf-8")
    assert keys("scans") == ["scans/0.png", "scans/1.jpg", "scans/2.png", "scans/9/0.png", "scans/10/0.png"]
    assert torch.equal(images("scans")[0], read_image("scans/0.png"))


def test_patterns_and_files_keep_the_order_of_the_inputs(here: Path) -> None:
    write_folder(here / "scans", 4)
    assert keys("scans/3.jpg", "scans/*.png", "nowhere.png") == [
        "scans/3.jpg", "scans/0.png", "scans/2.png", "nowhere.png",
    ]  # fmt: skip
    assert keys("s*s") == keys("scans")


@pytest.mark.parametrize("path", ["empty", "*.png", "empty/**/*.tar"])
def test_nothing_found_is_an_error(path: str, here: Path) -> None:
    (here / "empty").mkdir()
    with pytest.raises(ImageError, match="holds no image"):
        keys(path)


@pytest.mark.parametrize("name", ["list.csv", "list.txt", "shard.tar", "table.parquet"])
def test_a_list_that_is_not_there_is_an_error(name: str, here: Path) -> None:
    with pytest.raises(ConfigError, match=name):
        keys(name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.txt", "0.png\n\n1.jpg\n"),
        ("list.csv", "id,path\n7,0.png\n8,1.jpg\n"),
        ("list.csv", "\ufefffilename,age\n0.png,61\n1.jpg,3\n"),
        ("list.csv", 'image\n"0.png"\n1.jpg\n'),
    ],
)
def test_paths_in_a_list_start_at_its_folder(name: str, text: str, here: Path) -> None:
    folder = write_folder(here / "scans", 2)
    (folder / name).write_text(text, encoding="utf-8")
    assert [(item.key, item.source) for item in list_items([f"scans/{name}"])] == [
        ("0.png", f"scans/{name}"),
        ("1.jpg", f"scans/{name}"),
    ]
    assert torch.equal(images(f"scans/{name}")[1], read_image("scans/1.jpg"))


def test_a_csv_without_a_column_of_paths_names_the_nearest(here: Path) -> None:
    (here / "list.csv").write_text("pathh,age\n0.png,1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"'list.csv' has no column path, image, filename.*Did you mean 'pathh'"):
        keys("list.csv")


def test_a_csv_with_a_short_row_gives_a_row_with_the_error(here: Path) -> None:
    (here / "list.csv").write_text("age,path\n1,0.png\n2\n", encoding="utf-8")
    items = list(list_items(["list.csv"]))
    assert [item.kind for item in items] == ["file", "problem"]
    assert "row 3" in items[1].error


def test_members_of_a_shard_are_read_where_they_lie(here: Path) -> None:
    contents = {"a/1.png": encoded(1), "a/1.cls": b"0", "._a.png": b"mac", "a/2.JPG": encoded(2, kind="jpeg")}
    write_tar(here / "shard-00.tar", contents)
    write_tar(here / "shard-01.tar", {"b.png": encoded(3)})
    assert keys("shard-{00..01}.tar") == keys("shard-*.tar") == ["a/1.png", "a/2.JPG", "b.png"]
    (here / "1.png").write_bytes(encoded(1))
    assert torch.equal(images("shard-00.tar")[0], read_image("1.png"))


def test_a_shard_cut_short_gives_what_is_whole_and_the_error(here: Path) -> None:
    path = write_tar(here / "shard.tar", {f"{n}.png": encoded(n) for n in range(3)})
    content = path.read_bytes()
    path.write_bytes(content[: len(encoded(0)) + len(encoded(1)) + 3000])
    items = list(list_items(["shard.tar"]))
    assert [item.kind for item in items][:2] == ["span", "span"]
    for item in items[2:]:
        with pytest.raises((ImageError, ValueError), match=r"shard\.tar"):
            open_item(item)
    assert items[-1].kind == "problem" or len(items) == 3


def test_what_is_no_tar_gives_the_error(here: Path) -> None:
    (here / "shard.tar").write_bytes(b"\x1f\x8b" + b"x" * 2000)
    (item,) = list_items(["shard.tar"])
    assert (item.kind, item.key) == ("problem", "shard.tar")
    assert "uncompressed" in item.error


def test_listing_a_shard_takes_no_more_memory_for_more_members(here: Path) -> None:
    def peak(count: int) -> int:
        path = write_tar(here / f"{count}.tar", {f"{n}.png": b"x" for n in range(count)})
        tracemalloc.start()
        assert sum(1 for _ in list_items([path])) == count
        peaked = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peaked

    assert peak(4000) < 1.5 * peak(200)


TABLES = {
    "bytes": pa.table({"image": [encoded(1), encoded(2), None], "image_id": [7, 8, 9]}),
    "struct": pa.table(
        {
            "image": [
                {"bytes": encoded(1), "path": "7"},
                {"bytes": encoded(2), "path": "8"},
                {"bytes": None, "path": "9"},
            ]
        }
    ),
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_rows_of_a_parquet_table(kind: str, rows: int, here: Path) -> None:
    pq.write_table(TABLES[kind], here / "table.parquet", row_group_size=rows)
    (here / "2.png").write_bytes(encoded(2))
    assert keys("table.parquet") == ["7", "8", "9"]
    items = list(with_content(list_items(["table.parquet"]), Columns()))
    assert torch.equal(open_item(items[1]), read_image("2.png"))
    with pytest.raises(ImageError, match="row 3" if kind == "bytes" else "'9' does not exist"):
        open_item(items[2])


def test_rows_that_are_left_out_do_not_shift_the_others(here: Path) -> None:
    pq.write_table(pa.table({"png": [encoded(n) for n in range(60)]}), here / "table.parquet", row_group_size=25)
    wanted = [item for item in list_items(["table.parquet"]) if item.start in (3, 4, 30, 31, 59)]
    assert [item.content for item in with_content(wanted, Columns())] == [encoded(n) for n in (3, 4, 30, 31, 59)]
    assert wanted[0].key == "table.parquet#3"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns(), "not exactly one column"),
        (Columns("jpq"), "Did you mean 'jpg'"),
        (Columns("jpg", "nam"), "Did you mean 'name'"),
    ],
)
def test_columns_that_are_not_there(columns: Columns, message: str, here: Path) -> None:
    pq.write_table(pa.table({"jpg": [b"1"], "png": [b"2"], "name": ["a"]}), here / "table.parquet")
    with pytest.raises(ConfigError, match=message):
        keys("table.parquet", columns=columns)
    assert keys("table.parquet", columns=Columns("jpg", "name")) == ["a"]


def test_what_is_no_parquet_gives_the_error(here: Path) -> None:
    (here / "table.parquet").write_bytes(b"PAR1 and nothing")
    (item,) = list_items(["table.parquet"])
    assert item.kind == "problem"
    assert "not a whole Parquet file" in item.error


def test_a_dicom_is_read_from_a_file_a_shard_and_a_table(here: Path) -> None:
    from pydicom.data import get_testdata_file

    content = Path(get_testdata_file("CT_small.dcm")).read_bytes()
    (here / "1.dcm").write_bytes(content)
    write_tar(here / "shard.tar", {"1.dcm": content})
    pq.write_table(pa.table({"bytes": [content], "id": ["1.dcm"]}), here / "table.parquet")
    file, shard, table = images("1.dcm", "shard.tar", "table.parquet")
    assert file.dtype == torch.float32
    assert torch.equal(file, shard)
    assert torch.equal(file, table)


def test_a_broken_dicom_in_memory_is_named(here: Path) -> None:
    write_tar(here / "shard.tar", {"1.dcm": b"no radiograph" * 30})
    (item,) = list_items(["shard.tar"])
    with pytest.raises(ImageError, match=r"'shard.tar/1.dcm'"):
        open_item(item)


def test_braces() -> None:
    assert expand_braces("a-{0..2}.tar") == ["a-0.tar", "a-1.tar", "a-2.tar"]
    assert expand_braces("{a,b}/{08..09}") == ["a/08", "a/09", "b/08", "b/09"]
    assert expand_braces("plain{}.tar") == ["plain{}.tar"]


def test_an_item_survives_its_line() -> None:
    item = Item("k\udcff ü", "s", "span", "f", 3, 4, number=5)
    assert Item.from_line(item.to_line(), 5) == item
