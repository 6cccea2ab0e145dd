"""What is built and installed has the one manifest, which lies at the top of the repository."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import pylon_zoo
from pylon_zoo.weights.manifest import MANIFEST_FILE

REPO = Path(__file__).resolve().parents[1]
PARTS = ("pylon_zoo", "tests", "docs", "examples", "benchmarks")
FILES = ("setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "hubconf.py", MANIFEST_FILE)
REPORT = """
import json, site, sys
site.addsitedir(sys.argv[1])  # reads .pth files, by which an editable install finds its source
from pylon_zoo.weights import manifest
print(json.dumps([manifest.__file__, str(manifest.manifest_path()), list(manifest.load_manifest())]))
"""
NAMES = list(json.loads((REPO / MANIFEST_FILE).read_text(encoding="utf-8"))["weights"])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What is needed of a checkout to build from it."""
    folder = tmp_path / "checkout"
    for name in PARTS:
        shutil.copytree(REPO / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(REPO / name, folder / name)
    return folder


def build(what: str, source: Path, out: Path, **settings: str) -> Path:
    """What setuptools builds for pip, as pip asks it to."""
    out.mkdir(exist_ok=True)
    code = f"from setuptools import build_meta; print(build_meta.build_{what}({str(out)!r}, {settings}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


def install(wheel: Path, site: Path) -> Path:
    """Unpack a wheel of Python files, which is all that installing one is."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def seen_from(site: Path) -> tuple[Path, Path]:
    """The module that a fresh Python with that site folder imports, and the manifest that it reads and finds whole.

    It has no other packages, lest this one be among them: reading the manifest needs none.
    """
    command = [sys.executable, "-I", "-S", "-c", REPORT, str(site)]
    done = subprocess.run(command, cwd=site, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    module, path, names = json.loads(done.stdout)
    assert names == NAMES
    return Path(module), Path(path)


@pytest.mark.slow
def test_a_wheel_of_the_source_archive_has_the_manifest(checkout, tmp_path):
    archive = build("sdist", checkout, tmp_path / "dist")
    with tarfile.open(archive) as content:
        content.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    for name in (*PARTS, *FILES):
        assert (source / name).exists(), f"the source archive lacks {name}"
    wheel = build("wheel", source, tmp_path / "dist")
    site = install(wheel, tmp_path / "site")
    module, path = seen_from(site)
    assert module.is_relative_to(site)
    assert path == module.with_name(MANIFEST_FILE)
    assert path.read_bytes() == (REPO / MANIFEST_FILE).read_bytes()
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names} == {
        "pylon_zoo",
        f"pylon_zoo-{pylon_zoo.__version__}.dist-info",
    }
    inside = [path for path in (checkout / "pylon_zoo").rglob("*") if path.is_file() and path.name != ".gitattributes"]
    files = {path.relative_to(checkout).as_posix() for path in inside}
    assert {"pylon_zoo/pages/base.html", "pylon_zoo/pages/base.css", "pylon_zoo/pages/explanations.js"} <= files
    assert files - names == set(), "the wheel lacks what lies beside its modules"


@pytest.mark.parametrize("settings", [{}, {"editable_mode": "strict"}], ids=["lenient", "strict"])
def test_an_editable_install_reads_the_checkouts(checkout, tmp_path, settings):
    wheel = build("editable", checkout, tmp_path / "dist", **settings)
    path = seen_from(install(wheel, tmp_path / "site"))[1]
    assert path.samefile(checkout / MANIFEST_FILE)
    assert not (checkout / "pylon_zoo" / "weights" / MANIFEST_FILE).exists(), "a second manifest in the checkout"


def test_a_checkout_has_no_links_and_one_manifest(checkout):
    links = [path for path in checkout.rglob("*") if path.is_symlink()]
    assert not links, "git makes text files of links on Windows"
    assert [*checkout.rglob(MANIFEST_FILE)] == [checkout / MANIFEST_FILE]
