"""The old file or the new one, never half of one."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from pylon_zoo.errors import ConfigError, DiskFullError
from pylon_zoo.files import check_folder, disk_full_named, write_text, write_together
from pylon_zoo.models.build import build_model
from pylon_zoo.weights.checkpoint import save_checkpoint


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "metrics.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "metrics.csv"
    write_text(path, "a\nb\n")
    write_text(path, "é\n")
    assert path.read_bytes() == "é\n".encode()


def test_a_folder_is_checked_without_being_made(tmp_path):
    check_folder(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("", encoding="utf-8")
    for path in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(ConfigError, match=r"--out .* cannot be a folder: .*file is a file"):
            check_folder(path)


CHILD = """
import resource, signal, sys
from pathlib import Path
import torch
from safetensors.torch import save
from pylon_zoo.errors import DiskFullError
from pylon_zoo.files import write_text, write_together
from pylon_zoo.models.build import build_model
from pylon_zoo.weights.checkpoint import save_checkpoint

folder, model = Path(sys.argv[1]), build_model("pylon_test_resnet", 2)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # bytes that a file may have
writers = (
    lambda: write_text(folder / "a.txt", "n" * 3000),
    lambda: write_together(folder, {"small.json": b"{}", "a.safetensors": save({"w": torch.ones(1000)})}),
    lambda: save_checkpoint(model, folder),
)
for writer in writers:
    try:
        writer()
    except DiskFullError as error:
        print(error)
"""


def fill(folder: Path) -> dict[str, bytes]:
    """Old files of every kind in a folder: name → content."""
    write_text(folder / "a.txt", "old")
    write_together(folder, {"small.json": b"[]", "a.safetensors": save({"w": torch.zeros(1000)})})
    save_checkpoint(build_model("pylon_test_resnet", 1), folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_text_tensors_and_checkpoints_survive_a_disk_that_is_full(tmp_path):
    before = fill(tmp_path)
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", CHILD, tmp_path], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3, "every writer said so"
    for line in lines:
        assert line.startswith(f"{tmp_path} cannot take more: a file may not be larger. What was there before")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_only_a_full_disk_is_called_one(tmp_path):
    for code in (errno.ENOSPC, errno.EDQUOT):
        with pytest.raises(DiskFullError, match=f"{tmp_path} cannot take more"), disk_full_named(tmp_path):
            raise OSError(code, "full")
    with pytest.raises(PermissionError), disk_full_named(tmp_path):
        raise PermissionError(errno.EACCES, "no")
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "no" / "a.txt", "text")
