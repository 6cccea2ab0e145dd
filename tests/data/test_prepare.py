"""A prepared copy: what its reader sees, and that no kill, change or broken image goes unnoticed."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pylon_zoo.cli.main import main
from pylon_zoo.data.images import read_image_bytes
from pylon_zoo.data.nih import NihChestXray14
from pylon_zoo.data.prepare import prepare
from pylon_zoo.data.prepared import JOURNAL, MANIFEST, PrepareOptions, original_sizes
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.data.shrink import shrink
from pylon_zoo.errors import ConfigError, DataError

SMALL = PrepareOptions("nih_cxr14", size=32)
IMAGES = 24


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    return make_release(tmp_path_factory.mktemp("release"))


def make_release(root: Path) -> Path:
    names = [f"{patient:08d}_000.png" for patient in range(1, IMAGES + 1)]
    rows = "".join(f"{name},Mass,{number}\n" for number, name in enumerate(names, 1))
    (root / "Data_Entry_2017.csv").write_text("Image Index,Finding Labels,Patient ID\n" + rows, encoding="utf-8")
    (root / "BBox_List_2017.csv").write_text(
        f"Image Index,Finding Label,Bbox [x,y,w,h],,,\n{names[-1]},Mass,256,512,128,64,,,\n", encoding="utf-8"
    )
    (root / "train_val_list.txt").write_text("\n".join(names[:12]), encoding="utf-8")
    (root / "test_list.txt").write_text("\n".join(names[12:]), encoding="utf-8")
    (root / "archive.tar.gz").write_bytes(b"left behind")
    (root / "images").mkdir()
    random = np.random.default_rng(0)
    for name in names:
        Image.fromarray(random.integers(0, 256, (128, 256), np.uint8)).save(root / "images" / name)
    return root


def spec(root: Path) -> str:
    return f"nih-cxr14:{root}"


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def undisturbed(release, tmp_path_factory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed")
    assert prepare(spec(release), out, SMALL).written == IMAGES + 4
    return tree(out)


def test_the_reader_takes_the_copy_with_boxes_where_they_were(release, undisturbed, tmp_path):
    prepare(spec(release), tmp_path / "copy", SMALL)
    assert "archive.tar.gz" not in undisturbed
    for split in ("train", "val", "test"):
        before, after = NihChestXray14(release, split), NihChestXray14(tmp_path / "copy", split)
        assert torch.equal(before.targets(), after.targets())
        for one, other in zip(before, after, strict=True):
            assert other.image.shape == (1, 32, 64)  # the shorter side is 32
            assert torch.allclose(one.boxes / 4, torch.cat([one.boxes[:, :1] / 4, other.boxes[:, 1:]], dim=1))
            assert one.image.float().mean() == pytest.approx(other.image.float().mean(), abs=1)
    sizes = original_sizes(tmp_path / "copy")
    assert set(sizes.values()) == {(128, 256)}
    assert len(sizes) == IMAGES


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_write_the_same(release, undisturbed, tmp_path, workers):
    prepare(spec(release), tmp_path / "copy", SMALL, workers=workers)
    assert tree(tmp_path / "copy") == undisturbed


@pytest.mark.parametrize("files", [0, 1, 9, 20])
def test_killed_and_run_again_is_as_if_never_killed(release, undisturbed, tmp_path, files):
    out = tmp_path / "copy"
    process = multiprocessing.Process(target=prepare, args=(spec(release), out, SMALL))
    process.start()
    deadline = time.monotonic() + 30
    while len([*out.glob("images/*.png")]) < files and time.monotonic() < deadline:
        time.sleep(0.0005)
    process.kill()
    process.join()
    prepare(spec(release), out, SMALL)
    assert tree(out) == undisturbed


def test_a_journal_cut_anywhere_is_resumed(release, undisturbed, tmp_path):
    out = tmp_path / "copy"
    prepare(spec(release), out, SMALL)
    table = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    lines = [table["options"], *({"name": name, **values} for name, values in [*table["files"].items()][:3])]
    whole = "".join(json.dumps(line) + "\n" for line in lines).encode()
    first = whole.index(b"\n")
    for end in [*range(first + 1, len(whole), 97), len(whole)]:
        (out / MANIFEST).unlink()
        (out / JOURNAL).write_bytes(whole[:end])
        prepare(spec(release), out, SMALL)
        assert tree(out) == undisturbed


def test_what_is_there_is_kept_and_what_changed_is_noticed(release, undisturbed, tmp_path, capsys):
    out = tmp_path / "copy"
    prepare(spec(release), out, SMALL)
    name = "images/00000002_000.png"
    (out / name).write_bytes(b"tampered")
    done = prepare(spec(release), out, SMALL)
    assert (done.written, done.kept, done.changed) == (1, IMAGES + 3, [name])
    assert tree(out) == undisturbed
    (out / name).write_bytes(b"tampered")
    assert main(["data", "prepare", spec(release), "--out", str(out), "--size", "32", "--quiet"]) == 0
    assert name in capsys.readouterr().err


def test_a_changed_original_is_written_again(tmp_path):
    (tmp_path / "release").mkdir()
    release, out = make_release(tmp_path / "release"), tmp_path / "copy"
    prepare(spec(release), out, SMALL)
    Image.new("L", (64, 64), 9).save(release / "images/00000001_000.png")
    done = prepare(spec(release), out, SMALL)
    assert (done.written, done.changed) == (1, [])
    assert original_sizes(out)["images/00000001_000.png"] == (64, 64)


def test_broken_images_are_named_and_the_others_done(tmp_path, capsys):
    (tmp_path / "release").mkdir()
    release, out = make_release(tmp_path / "release"), tmp_path / "copy"
    for name in ("00000003_000.png", "00000005_000.png"):
        path = release / "images" / name
        path.write_bytes(path.read_bytes()[:100])
    assert main(["data", "prepare", spec(release), "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert "00000003_000.png" in said.err
    assert "00000005_000.png" in said.err
    assert f"{IMAGES + 2} written, 0 kept, 2 broken" in said.out
    assert len([*out.glob("images/*")]) == IMAGES - 2
    Image.new("L", (64, 64)).save(release / "images/00000003_000.png")
    Image.new("L", (64, 64)).save(release / "images/00000005_000.png")
    assert main(["data", "prepare", spec(release), "--out", str(out)]) == 0


def test_other_options_are_refused(release, tmp_path):
    prepare(spec(release), tmp_path / "copy", SMALL)
    with pytest.raises(ConfigError, match=r"prepared with other options .*size 32, now 48"):
        prepare(spec(release), tmp_path / "copy", PrepareOptions("nih_cxr14", size=48))


def test_folders_that_are_no_place_for_a_copy(release, tmp_path):
    for out in (release, release / "small", release.parent):
        with pytest.raises(ConfigError, match="lie in each other"):
            prepare(spec(release), out, SMALL)
    (tmp_path / "mine.txt").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="is not empty"):
        prepare(spec(release), tmp_path, SMALL)
    with pytest.raises(DataError, match="has neither"):
        prepare(spec(tmp_path), tmp_path.parent / "copy", SMALL)
    (tmp_path / "mine.txt").unlink()
    (tmp_path / MANIFEST).write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="did not write"):
        prepare(spec(release), tmp_path, SMALL)
    with pytest.raises(ConfigError, match="nothing to prepare"):
        prepare("phantom", tmp_path / "copy", SMALL)


def test_a_copy_of_a_copy_remembers_the_originals(release, tmp_path):
    prepare(spec(release), tmp_path / "a", SMALL)
    prepare(spec(tmp_path / "a"), tmp_path / "b", PrepareOptions("nih_cxr14", size=16))
    assert set(original_sizes(tmp_path / "b").values()) == {(128, 256)}
    assert NihChestXray14(tmp_path / "b", "test")[0].image.shape == (1, 16, 32)


def test_compression_changes_the_size_and_no_pixel(release):
    path = next(release.glob("images*/**/*.png"))
    copies = [shrink(path, PrepareOptions("nih_cxr14", 64, compression=level), 1)[0] for level in (0, 6, 9)]
    assert len(copies[0]) > len(copies[1]) >= len(copies[2])
    pixels = [read_image_bytes(copy, "copy.png") for copy in copies]
    assert torch.equal(pixels[0], pixels[1])
    assert torch.equal(pixels[0], pixels[2])


@pytest.mark.parametrize("bits", [8, 16])
def test_depth_and_small_images_stay(tmp_path, bits):
    from pylon_zoo.data.images import read_image

    deep = np.linspace(0, 65535, 20 * 30).reshape(20, 30).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    content, original = shrink(tmp_path / "a.png", PrepareOptions("nih_cxr14", 64, bits), 1)
    (tmp_path / "b.png").write_bytes(content)
    assert original == (20, 30)
    after = read_image(tmp_path / "b.png").float() / (255 if bits == 8 else 1)
    assert np.abs(after[0].numpy() - deep / 65535).max() <= 0.5 / (2**bits - 1) + 1e-7
    assert (read_image(tmp_path / "b.png").dtype == torch.uint8) == (bits == 8)


@pytest.mark.parametrize("options", [{"size": 0}, {"bits": 12}, {"dicom": "paper", "bits": 16}, {"compression": 10}])
def test_options_that_make_no_sense(options):
    with pytest.raises(ConfigError, match=r"--(size|bits|dicom|compression)"):
        PrepareOptions("nih_cxr14", **options)


def test_boxes_of_any_reader_follow_its_smaller_images(tmp_path):
    """A table whose boxes are in pixels of the file: in the copy those are the original's."""
    root, out = tmp_path / "own", tmp_path / "copy"
    root.mkdir()
    Image.fromarray(np.zeros((128, 256), np.uint8)).save(root / "one.png")
    (root / "labels.csv").write_text("image,split,Mass\none.png,train,1\n", encoding="utf-8")
    (root / "boxes.csv").write_text("image,label,x0,y0,x1,y1\none.png,Mass,64,32,128,64\n", encoding="utf-8")
    prepare(f"csv:{root}", out, PrepareOptions("csv", size=32))
    before, after = (open_dataset(f"csv:{folder}", "train")[0] for folder in (root, out))
    assert before.boxes.tolist() == [[0, 64, 32, 128, 64]]
    assert tuple(after.image.shape) == (3, 32, 64)
    assert after.boxes.tolist() == [[0, 16, 8, 32, 16]]
