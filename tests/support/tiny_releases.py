"""Releases small enough to be downloaded in a test, on a server of the loopback interface."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from loopback_files import FileServer
from loopback_hub import LoopbackHub
from PIL import Image

from pylon_zoo.data.download import releases
from pylon_zoo.data.download.table import Part, Release, RemoteFile, Unpacking


def zip_of(files: dict[str, bytes]) -> bytes:
    """An archive of these files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, one in files.items():
            archive.writestr(name, one)
    return content.getvalue()


def png(value: int) -> bytes:
    """A small radiograph."""
    image = Image.linear_gradient("L").resize((32, 32))
    image.putpixel((0, 0), value)
    content = io.BytesIO()
    image.save(content, "png")
    return content.getvalue()


@dataclass
class Tiny:
    """A ChestX-Det of forty images on a server.

    Attributes:
        server: that has it, and nothing else.
        trees: of the release when it is unpacked: path → content.
    """

    server: FileServer
    trees: dict[str, bytes]


def put_tiny(server: FileServer) -> Tiny:
    """A ChestX-Det of forty images on a server."""
    trees: dict[str, bytes] = {}
    for part, numbers in (("train", range(30)), ("test", range(30, 40))):
        entries = [{"file_name": f"{n}.png", "syms": [], "boxes": [], "polygons": []} for n in numbers]
        trees[f"ChestX_Det_{part}.json"] = json.dumps(entries).encode()
        images = {f"{n}.png": png(n) for n in numbers}
        trees |= {f"{part}_data/{name}": one for name, one in images.items()}
        server.files[f"/ChestX_Det_{part}.json"] = trees[f"ChestX_Det_{part}.json"]
        server.files[f"/{part}_data.zip"] = zip_of({f"{part}/{name}": one for name, one in images.items()})
    return Tiny(server, trees)


def tiny_release(server: FileServer, published: bool = True) -> Release:
    """The table's line for what is on the server now."""

    def remote(name: str, unpacking: Unpacking | None = None) -> RemoteFile:
        content = server.files[f"/{name}"]
        facts = (len(content), f"sha256:{sha256(content).hexdigest()}") if published else (None, "")
        return RemoteFile(name, (f"{server.address}/{name}",), *facts, unpacking)

    tables = tuple(remote(f"ChestX_Det_{part}.json") for part in ("train", "test"))
    archives = {
        part: Part((remote(f"{part}_data.zip", Unpacking(f"{part}_data", "*.png", depth=1)),))
        for part in ("train", "test")
    }
    return Release(
        "ChestX-Det, tiny", "none", "https://release.invalid", {"here": {"tables": Part(tables), **archives}}
    )


def put_nih(
    hub: LoopbackHub, repo: str, tables: dict[str, bytes], folders: dict[int, dict[str, bytes]], to: pytest.MonkeyPatch
) -> None:
    """A small NIH ChestX-ray14 as its mirror on the Hub has it, and the table's line for it in place of the real one.

    Args:
        hub: that gets the repository.
        repo: its name.
        tables: name → content.
        folders: number, as of `images_001` → names and contents of its images.
        to: undoes it.
    """
    names = {number: f"images_{number:03}.zip" for number in folders}
    archives = {names[n]: zip_of({f"images/{name}": one for name, one in of.items()}) for n, of in folders.items()}
    files = {f"data/{name}": table for name, table in tables.items()}
    commit = hub.add(repo, files | {f"data/images/{name}": archive for name, archive in archives.items()})
    to.setattr(releases, "NIH_MIRROR", f"hub:{repo}@{commit}/data/")
    remote = tuple(
        RemoteFile(
            name,
            (f"hub:{repo}@{commit}/data/images/{name}",),
            unpacking=Unpacking(f"images_{number:03}/images", "*.png", depth=1),
        )
        for number, name in names.items()
    )
    parts = releases._nih(remote)
    to.setitem(releases.RELEASES, "nih_cxr14", Release("tiny", "none", "https://nih.invalid", {"hub": parts}))


def tree_of(root: Path) -> dict[str, bytes]:
    """What a folder holds, hidden files left out: path → content."""
    paths = (path for path in root.rglob("*") if path.is_file())
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    return {name: content for name, content in files.items() if not name.startswith(".")}
