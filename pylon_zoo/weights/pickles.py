"""State dicts out of PyTorch's pickles, without running anything in them.

PyTorch's restricted unpickler (`weights_only=True`) reads pickle protocol 2 only. The authors saved with protocol 4, so
the instructions are first rewritten, one by one, into those of protocol 2 that mean the same.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
from typing import Any

import torch

from pylon_zoo.errors import WeightsError, first_line

ZIP_START = b"PK\x03\x04"
ZIP_PICKLE = "data.pkl"  # the pickle in the zip that torch.save writes since 1.6
LEGACY_PICKLES = 5  # of a file from before: magic number, version, system, object, storage keys; then the storages
READABLE_PROTOCOL = 2
PROTOCOL_MARK = pickle.PROTO + bytes([READABLE_PROTOCOL])

STRINGS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
PUTS = frozenset({"MEMOIZE", "BINPUT", "LONG_BINPUT"})
GETS = frozenset({"BINGET", "LONG_BINGET"})
DROPPED = frozenset({"PROTO", "FRAME"})


def load_pickle(content: bytes, where: str) -> Any:
    """What `torch.save` wrote, on the CPU.

    Args:
        content: the file's bytes, in the zip format or the older one, of any pickle protocol.
        where: what to call the file in errors.

    Raises:
        WeightsError: it is something else, or broken, or holds more than weights: then lists what it would have called.

    Example:
        >>> file = io.BytesIO()
        >>> torch.save({"bias": torch.ones(2)}, file, pickle_protocol=4)
        >>> load_pickle(file.getvalue(), "the file")
        {'bias': tensor([1., 1.])}
    """
    try:
        content = readable(content)
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # broken files fail in every way that reading bytes can
        if called := unsafe_globals(content):
            raise WeightsError(
                f"{where} holds more than weights: reading it as a pickle would call {', '.join(called)}. Nothing in "
                "it was executed. Ask whoever made it for the state dict alone."
            ) from error
        # The unpickler's own message advises to switch its protection off.
        reason = "its instructions make no state dict" if isinstance(error, pickle.UnpicklingError) else _line(error)
        raise WeightsError(
            f"{where} is no complete checkpoint of PyTorch ({reason}). Nothing in it was executed. Download it again, "
            "or give another file."
        ) from error


def unsafe_globals(content: bytes) -> list[str]:
    """Everything a pickle names that is no part of a state dict, by PyTorch's own list; never runs it.

    Args:
        content: bytes of a file in PyTorch's format or of a plain pickle.

    Returns:
        Dotted names, sorted; empty where there are none or the bytes cannot be read.
    """
    try:
        pickles = [_zip_pickle(content)] if content.startswith(ZIP_START) else _split_legacy(content)[0]
        found: set[str] = set()
        for instructions in pickles:
            found.update(torch.serialization.get_unsafe_globals_in_checkpoint(_in_zip(rewrite(instructions))))
    except Exception:  # it describes a file that has already failed, and must not hide why
        return []
    return sorted(found)


def readable(content: bytes) -> bytes:
    """The same file with its pickles in protocol 2.

    Raises:
        ValueError, IndexError, KeyError, zipfile.BadZipFile: it is not a file of PyTorch, or broken.
    """
    if not content.startswith(ZIP_START):
        pickles, storages = _split_legacy(content)
        return b"".join(map(rewrite, pickles)) + storages
    instructions = _zip_pickle(content)
    rewritten = rewrite(instructions)
    if rewritten == instructions:
        return content
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, rewritten if name.endswith(f"/{ZIP_PICKLE}") else old.read(name))
    return out.getvalue()


def rewrite(instructions: bytes) -> bytes:
    """One pickle in protocol 2.

    Strings are repeated where they are used instead of being remembered, so that a class named by two strings on the
    stack can be named in the instruction itself.

    Args:
        instructions: exactly one pickle, to its STOP.

    Raises:
        ValueError, IndexError: it is broken.
    """
    operations: list[tuple[pickletools.OpcodeInfo, Any, Any]] = list(pickletools.genops(instructions))
    if operations[0][0].name != "PROTO" or operations[0][1] <= READABLE_PROTOCOL:
        return instructions
    ends = [position for _, _, position in operations[1:]] + [len(instructions)]
    out: list[str | bytes] = [PROTOCOL_MARK]
    memo: dict[int, str | None] = {}
    for (operation, argument, start), end in zip(operations, ends, strict=True):
        if operation.name in DROPPED:
            continue
        if operation.name in STRINGS:
            out.append(argument)
        elif operation.name in PUTS:
            index = len(memo) if operation.name == "MEMOIZE" else argument
            memo[index] = out[-1] if isinstance(out[-1], str) else None
            if memo[index] is None:
                out.append(pickle.LONG_BINPUT + index.to_bytes(4, "little"))
        elif operation.name in GETS and (text := memo.get(argument)) is not None:
            out.append(text)
        elif operation.name == "STACK_GLOBAL":
            out[-2:] = [_global(*out[-2:])]
        else:
            out.append(instructions[start:end])
    return b"".join(_string(part) if isinstance(part, str) else part for part in out)


def _global(module: str | bytes, name: str | bytes) -> bytes:
    if not (isinstance(module, str) and isinstance(name, str)) or "\n" in module + name:
        raise ValueError("a class is named by something that is no name")
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _string(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    return pickle.BINUNICODE + len(encoded).to_bytes(4, "little") + encoded


def _split_legacy(content: bytes) -> tuple[list[bytes], bytes]:
    """The pickles at the start of a file, at most as many as the older format has, and what follows them."""
    file = io.BytesIO(content)
    pickles: list[bytes] = []
    while len(pickles) < LEGACY_PICKLES and file.tell() < len(content):
        start = file.tell()
        for _ in pickletools.genops(file):
            pass
        pickles.append(content[start : file.tell()])
    return pickles, content[file.tell() :]


def _zip_pickle(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(f"/{ZIP_PICKLE}")))


def _in_zip(instructions: bytes) -> io.BytesIO:
    """A pickle as the only content of a file of PyTorch, for functions that take nothing else."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"archive/{ZIP_PICKLE}", instructions)
        archive.writestr("archive/version", "3\n")
    file.seek(0)
    return file


def _line(error: Exception) -> str:
    return first_line(error)[:120]
