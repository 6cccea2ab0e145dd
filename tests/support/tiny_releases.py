"""Releases small enough to be downloaded in a test, on a server of the loopback interface."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from loopback_files import FileServer
from PIL import Image

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


def tree_of(root: Path) -> dict[str, bytes]:
    """What a folder holds, hidden files left out: path → content."""
    paths = (path for path in root.rglob("*") if path.is_file())
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    return {name: content for name, content in files.items() if not name.startswith(".")}
