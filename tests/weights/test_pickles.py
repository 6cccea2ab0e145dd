from __future__ import annotations

import io
import pickle
import pickletools
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from pylon_zoo.errors import WeightsError
from pylon_zoo.weights.pickles import load_pickle, rewrite, unsafe_globals

PROTOCOLS = (2, 3, 4, 5)
FORMATS = {"zip": True, "legacy": False}


def saved(content: Any, protocol: int = 4, zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def weights() -> dict[str, Any]:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 300, 1), torch.nn.BatchNorm2d(300)).state_dict()


class Payload:
    """Creates a file when it is unpickled in the usual way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return shutil.copyfile, (__file__, str(self.path))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("zipped", FORMATS.values(), ids=FORMATS)
def test_every_protocol_and_format_is_read_alike(protocol: int, zipped: bool) -> None:
    state = weights()
    content = {
        "state_dict": state,
        "again": [state, state],
        "numbers": (1, 300, 70_000, 2**70, -1, 0.1, True, None),
        "text": "Größe " * 100,
        "many": {f"key_{i}": f"key_{i - 1}" for i in range(400)},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PyTorch warns of every protocol but its own
        read = load_pickle(saved(content, protocol, zipped), "file")
    assert read.keys() == content.keys()
    assert [read[key] for key in ("numbers", "text", "many")] == [content[key] for key in ("numbers", "text", "many")]
    assert read["again"][0] is read["again"][1] is read["state_dict"]
    for name, tensor in state.items():
        assert torch.equal(read["state_dict"][name], tensor)


def test_protocol_4_needs_the_rewriting() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(pickle.UnpicklingError):
            torch.load(io.BytesIO(saved(weights())), weights_only=True)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "content",
    [{"a": [1, "x", "x"], "b": ("x", {"c": "a"})}, ["long " * 100] * 3, {i: str(i) for i in range(600)}, {"": 2**100}],
)
def test_a_rewritten_pickle_means_the_same(content: Any, protocol: int) -> None:
    rewritten = rewrite(pickle.dumps(content, protocol))
    assert pickle.loads(rewritten) == content
    assert max(operation.proto for operation, _, _ in pickletools.genops(rewritten)) <= 2


def test_a_class_named_through_the_memo_is_found() -> None:
    # The second class of a module takes the module's name from the memo.
    content = [torch.float16, torch.float32, torch.int64]
    assert load_pickle(saved(content), "file") == content


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("form", ["zip", "legacy", "plain"])
def test_a_payload_is_listed_and_not_executed(protocol: int, form: str, tmp_path: Path) -> None:
    payload = {**weights(), "extra": Payload(tmp_path / "executed")}
    content = pickle.dumps(payload["extra"], protocol) if form == "plain" else saved(payload, protocol, FORMATS[form])
    with pytest.raises(WeightsError, match=r"evil\.pkl holds more than weights.*shutil\.copyfile.*was executed"):
        load_pickle(content, "evil.pkl")
    assert not (tmp_path / "executed").exists()


def test_the_payload_would_have_worked(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "executed")))
    assert (tmp_path / "executed").exists()


def test_a_payload_in_old_instructions_is_not_executed(tmp_path: Path) -> None:
    # INST calls a class by name without naming it in GLOBAL, which no list of globals shows.
    target = tmp_path / "executed"
    instructions = b"(Vtouch " + str(target).encode() + b"\nios\nsystem\n."
    with pytest.raises(WeightsError, match="executed"):
        load_pickle(instructions, "old.pkl")
    assert not target.exists()


def test_a_name_that_smuggles_instructions_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "executed"
    smuggled = f"collections\nOrderedDict\n0cos\nsystem\n(Vtouch {target}\ntR."
    encoded = smuggled.encode()
    instructions = (
        b"\x80\x04X" + len(encoded).to_bytes(4, "little") + encoded + b"X\x01\x00\x00\x00x" + pickle.STACK_GLOBAL + b"."
    )
    with pytest.raises(WeightsError, match="is no name"):
        load_pickle(instructions, "smuggler.pkl")
    assert not target.exists()


@pytest.mark.parametrize("zipped", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_an_error(share: float, zipped: bool) -> None:
    content = saved(weights(), zipped=zipped)
    with pytest.raises(WeightsError, match=r"cut\.pkl is no complete checkpoint of PyTorch"):
        load_pickle(content[: int(share * len(content))], "cut.pkl")


@pytest.mark.parametrize(
    "content", [b"", b"hello world", b"\x89PNG\r\n\x1a\n", b"\x80\x04.", b"PK\x03\x04", bytes(500)]
)
def test_what_is_no_checkpoint_is_an_error(content: bytes) -> None:
    with pytest.raises(WeightsError, match=r"odd\.pkl is no complete checkpoint"):
        load_pickle(content, "odd.pkl")


def test_errors_never_advise_to_drop_the_protection() -> None:
    for content in (saved({"a": Payload(Path("x"))}), pickle.dumps(b"bytes", 4), b"nonsense"):
        with pytest.raises(WeightsError) as error:
            load_pickle(content, "file")
        assert "weights_only" not in str(error.value)
        assert len(str(error.value)) < 400


def test_safe_files_name_nothing_unsafe() -> None:
    assert unsafe_globals(saved(weights())) == []
    assert unsafe_globals(saved(weights(), zipped=False)) == []
