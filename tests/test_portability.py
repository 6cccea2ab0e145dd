"""Sources and file names do the same on Linux, macOS and Windows, as far as reading them can tell."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from traps import TRAPS, traps_in

from pylon_zoo.explanation.names import DEVICES

REPO = Path(__file__).resolve().parents[1]
ROOMS = ("pylon_zoo", "benchmarks", "examples", "tests")
LOOSE = ("hubconf.py", "setup.py")
KEPT = (*ROOMS, "docs")
LONGEST = 150  # characters of a path in the repository: Windows has 260 for the whole of it

CASES = {
    "encoding": [
        ("open('a')", "open('a', encoding='utf-8')"),
        ("p.open()", "p.open(encoding='utf-8')"),
        ("p.open('w', newline='')", "p.open('wb')"),
        ("gzip.open(p, 'rt')", "gzip.open(p)"),
        ("open(p, mode='a', newline='')", "open(p, mode='rb')"),
        ("p.read_text()", "p.read_text('utf-8')"),
        ("p.write_text(t, newline='')", "write_text(p, t)"),
        ("os.fdopen(n, 'w', newline='')", "Image.open(p)"),
    ],
    "newline": [
        ("p.write_text(t, 'utf-8')", "p.write_text(t, 'utf-8', newline='\\n')"),
        ("p.open('a', encoding='utf-8')", "p.open('r', encoding='utf-8')"),
    ],
    "table": [
        (
            "with p.open(encoding='utf-8') as f:\n    csv.reader(f)",
            "with p.open(encoding='utf-8', newline='') as f:\n    csv.reader(f)",
        ),
        (
            "with p.open('w', encoding='utf-8') as f:\n    csv.DictWriter(f, c, lineterminator='\\n')",
            "with p.open('w', encoding='utf-8', newline='') as f:\n    csv.DictWriter(f, c, lineterminator='\\n')",
        ),
    ],
    "line ends": [("csv.writer(f)", "csv.writer(f, lineterminator='\\n')")],
    "module": [
        ("import fcntl", "if sys.platform != 'win32':\n    import fcntl"),
        ("from resource import getrusage", "def f():\n    if os.name == 'nt':\n        return\n    import resource"),
        ("def f():\n    import msvcrt", "@posix_only\ndef f():\n    import resource"),
    ],
    "name": [
        ("os.kill(n, 9)", "process.kill()"),
        ("signal.SIGKILL", "signal.SIGTERM"),
        ("from signal import SIGUSR1", "signal.SIGUSR1 if hasattr(signal, 'SIGUSR1') else None"),
        ("os.getloadavg()", "os.cpu_count()"),
    ],
    "start": [("multiprocessing.get_context('fork')", "multiprocessing.get_context('spawn')")],
    "place": [("open('/dev/null', 'rb')", "open(os.devnull, 'rb')"), ("p = '/tmp/a'", "'''/tmp is no place.'''")],
    "program": [
        ("subprocess.run(['python', 'a.py'])", "subprocess.run([sys.executable, 'a.py'])"),
        ("subprocess.run(words, shell=True)", "subprocess.run(words)"),
        ("subprocess.Popen(words, preexec_fn=f)", "subprocess.Popen(words, env=e)"),
    ],
    "rename": [("p.rename(q)", "p.replace(q)"), ("os.rename(p, q)", "os.replace(p, q)")],
    "link": [("p.symlink_to(q)", "p.is_symlink()")],
    "float64": [("x.double().cpu()", "x.cpu().double()")],
    "temporary": [("tempfile.NamedTemporaryFile()", "tempfile.TemporaryDirectory()")],
}
"""Trap → sources that are in it, each beside one that is not."""


def sources() -> list[Path]:
    return [REPO / name for name in LOOSE] + [path for room in ROOMS for path in sorted((REPO / room).rglob("*.py"))]


@pytest.mark.slow
def test_no_source_is_written_for_one_system():
    found = [
        f"{path.relative_to(REPO).as_posix()}, {trap}"
        for path in sources()
        for trap in traps_in(path.read_text(encoding="utf-8"), shipped=path.parts[len(REPO.parts)] != "tests")
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "wrong", "right"), [(name, *pair) for name, pairs in CASES.items() for pair in pairs], ids=repr
)
def test_each_trap_is_seen_and_what_is_right_is_not(name, wrong, right):
    advice = next(trap.advice for trap in TRAPS if trap.name == name)
    assert any(found.endswith(advice) for found in traps_in(wrong))
    assert traps_in(right) == []


def test_every_trap_has_a_case():
    assert set(CASES) == {trap.name for trap in TRAPS}


def kept_names() -> list[str]:
    """What is in the repository's rooms, relative to it."""
    paths = [path for room in KEPT for path in (REPO / room).rglob("*") if "__pycache__" not in path.parts]
    return [path.relative_to(REPO).as_posix() for path in paths]


def test_file_names_can_be_had_on_every_system():
    names = kept_names()
    parts = {part for name in names for part in name.split("/")}
    assert not [part for part in parts if re.search(r'[<>:"\\|?*\x00-\x1f]|[. ]$', part)]
    assert not [part for part in parts if part.partition(".")[0].casefold() in DEVICES]
    assert not [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]
    assert max(map(len, names)) <= LONGEST
