"""`pylon-zoo data download`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from loopback_files import Fault, FileServer
from tiny_releases import Tiny, put_tiny, tiny_release, tree_of

from pylon_zoo.cli.main import main
from pylon_zoo.data.download import AGREEMENTS, RELEASES


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tiny]:
    """A server with a ChestX-Det of forty images, in place of the real one."""
    with FileServer() as server:
        release = put_tiny(server)
        monkeypatch.setitem(RELEASES, "chestx_det", tiny_release(server))
        yield release


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "a release"


def test_a_download(tiny, root, capsys):
    assert main(["data", "download", "chestx-det", str(root)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "ChestX-Det, tiny",
        "Terms: none (https://release.invalid)",
        "train: 26 images",
        "val: 4 images",
        "test: 10 images",
        "4 files downloaded, 0 were there",
        f"Read all of it once: pylon-zoo data check chestx-det:'{root}'",
    ]
    assert tree_of(root) == tiny.trees
    assert main(["data", "check", f"chestx-det:{root}", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["data", "download", "chestx_det", str(root), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_parts(tiny, root, capsys):
    assert main(["data", "download", "chestx-det", str(root), "--only", "tables, test"]) == 0
    out, err = capsys.readouterr()
    assert "test: 10 images\n3 files downloaded" in out
    assert "train" not in out
    assert err == ""


def test_a_release_that_does_not_open(tiny, root, capsys):
    """A list that names more than the archives have: nothing is wrong with the download, and yet."""
    name = "/ChestX_Det_test.json"
    tiny.server.files[name] = tiny.server.files[name].replace(b"30.png", b"99.png")
    RELEASES["chestx_det"] = tiny_release(tiny.server)
    assert main(["data", "download", "chestx-det", str(root)]) == 1
    assert "1 of the 10 images of split 'test'" in capsys.readouterr().err


def test_errors_are_one_sentence(tiny, root, capsys):
    tiny.server.faults["/test_data.zip"] = [Fault(404)]
    assert main(["data", "download", "chestx-det", str(root), "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pylon-zoo: error: 'test_data.zip' cannot be downloaded: 127.0.0.1:")
    assert err.count("\n") == 1


def test_a_check_of_what_was_downloaded(tiny, root, capsys):
    main(["data", "download", "chestx-det", str(root), "--quiet"])
    assert main(["data", "download", "chestx-det", str(root), "--check"]) == 0
    assert capsys.readouterr().out == "No problems.\n"
    path = root / "train_data" / "3.png"
    path.write_bytes(bytes(path.stat().st_size))
    assert main(["data", "download", "chestx-det", str(root), "--check"]) == 1
    out, err = capsys.readouterr()
    assert out == "1 problem.\n"
    assert "3.png' of 'train_data.zip' has other bytes" in err
    assert err.endswith("without --check, what is gone is then downloaded again.\n")
    path.unlink()
    assert main(["data", "download", "chestx-det", str(root), "--quiet"]) == 0
    assert tree_of(root) == tiny.trees


@pytest.mark.parametrize("name", AGREEMENTS)
def test_what_needs_a_login_is_explained(name, root, capsys):
    assert main(["data", "download", name, str(root)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith(AGREEMENTS[name].what)
    assert "Terms: " in out
    assert "\n1. " in out
    assert f"'{root}'" in out  # ready to be pasted, blank and all
    assert err == f"'{root}' does not exist: nothing of the release is there yet.\n"


def test_another_way(root, capsys):
    assert main(["data", "download", "vindr-cxr", str(root), "--from", "kaggle"]) == 1
    out = capsys.readouterr().out
    assert f"kaggle competitions download -c vinbigdata-chest-xray-abnormalities-detection -p '{root}'\n" in out
    assert out.endswith("\nOr --from physionet.\n")


def test_what_arrived_is_compared(root, capsys):
    (root / "stage_2_train_images").mkdir(parents=True)
    (root / "stage_2_train_labels.csv").write_text("patientId,x,y,width,height,Target\na,,,,,0\n", encoding="utf-8")
    assert main(["data", "download", "rsna-pneumonia", str(root), "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == (f"'{root}' has 0 of the release's 26,684 images (stage_2_train_images/*.dcm).")
    assert "images of split" in err.splitlines()[1]


def test_all_of_it_arrived(root, capsys, monkeypatch):
    (root / "stage_2_train_images").mkdir(parents=True)
    rows = [f"p{number},,,,,0" for number in range(40)]
    (root / "stage_2_train_labels.csv").write_text(
        "\n".join(["patientId,x,y,width,height,Target", *rows]), encoding="utf-8"
    )
    for number in range(40):
        (root / "stage_2_train_images" / f"p{number}.dcm").touch()
    agreement = AGREEMENTS["rsna_pneumonia"]
    way = replace(agreement.sources["kaggle"], images=(("stage_2_train_images/*.dcm",), 40))
    monkeypatch.setitem(AGREEMENTS, "rsna_pneumonia", replace(agreement, sources={"kaggle": way}))
    assert main(["data", "download", "rsna-pneumonia", str(root)]) == 0
    assert capsys.readouterr() == (
        f"All of it is there. Read it once: pylon-zoo data check rsna-pneumonia:'{root}'\n",
        "",
    )
    assert main(["data", "download", "rsna-pneumonia", str(root), "--check"]) == 0
    assert f"There is no SHA256SUMS.txt in '{root}': files were counted, and none was read." in capsys.readouterr().out


def test_the_list(capsys):
    assert main(["data", "download", "--list"]) == 0
    out = capsys.readouterr().out
    for name, release in {**RELEASES, **AGREEMENTS}.items():
        assert f"\n{name.replace('_', '-')}\n  {release.what}\n" in out
        assert release.home in out
    assert "  size   about 45 GB\n" in out


@pytest.mark.parametrize("name", RELEASES)
def test_the_parts_of_one(name, capsys):
    assert main(["data", "download", name, "--list"]) == 0
    out = capsys.readouterr().out
    for source, parts in RELEASES[name].sources.items():
        assert f"from {source}\n" in out
        for part, value in parts.items():
            assert f"  {part}" in out
            assert value.listed_in or all(file.addresses[0] in out for file in value.files)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vindr", "DIR"], "Did you mean 'vindr-cxr'?"),
        (["voc"], "Give a name and a folder"),
        ([], "Give a name and a folder"),
        (["voc", "DIR", "--only", "2011"], "has no part '2011': it has 2012, 2007. Did you mean '2012'"),
        (["voc", "DIR", "--from", "nih"], "cannot be had from 'nih': one of oxford"),
        (["vindr-cxr", "DIR", "--only", "tables"], "'vindr-cxr' needs a login"),
        (["voc", "DIR", "--connections", "0"], "must be at least 1"),
        (["jsrt", "--list"], "There is nothing to download of the name 'jsrt'"),
    ],
)
def test_mistakes_are_usage_errors(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "download", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
