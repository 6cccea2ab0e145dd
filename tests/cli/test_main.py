from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import pylon_zoo
from pylon_zoo import __version__
from pylon_zoo.cli import main as module
from pylon_zoo.cli.main import COMMANDS, main
from pylon_zoo.errors import DataError, UnknownNameError


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., int]], None]:
    """Makes a function the `run` of a command named `spam`."""

    def install(run: Callable[..., int]) -> None:
        fake = ModuleType("spam")
        fake.add_arguments = lambda parser: parser.add_argument("words", nargs="*")
        fake.run = run
        monkeypatch.setitem(sys.modules, "spam", fake)
        monkeypatch.setitem(COMMANDS, "spam", ("spam", "fail in a way"))

    return install


def raising(error: BaseException) -> Callable[..., int]:
    def run(args: object) -> int:
        raise error

    return run


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name, (_, summary) in COMMANDS.items():
        assert f"  {name} " in text
        assert summary in text


def test_nothing_is_a_usage_error_that_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "explain" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"pylon-zoo {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: pylon-zoo {name}")
    assert "--debug" in text
    assert callable(import_module(COMMANDS[name][0]).run)


@pytest.mark.parametrize(("word", "hint"), [("explian", "Did you mean 'explain'?"), ("--frob", "no option '--frob'")])
def test_an_unknown_command_is_a_usage_error(word: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word]) == 2
    captured = capsys.readouterr()
    assert hint in captured.err
    assert captured.out == ""


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--frob"]) == 2
    assert "--frob" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "code"), [(DataError("row 3 is bad"), 1), (UnknownNameError("no x"), 2)])
def test_our_errors_are_one_sentence(error: Exception, code: int, command, capsys: pytest.CaptureFixture[str]) -> None:
    command(raising(error))
    assert main(["spam"]) == code
    assert capsys.readouterr().err == f"pylon-zoo: error: {error}\n"


def test_an_unforeseen_error_is_one_line_with_a_hint(command, capsys: pytest.CaptureFixture[str]) -> None:
    command(raising(RuntimeError("first\nsecond")))
    assert main(["spam"]) == 1
    text = capsys.readouterr().err
    assert text.startswith("pylon-zoo: error: RuntimeError: first second (")
    assert "--debug" in text
    assert text.count("\n") == 1


@pytest.mark.parametrize("arguments", [["spam", "--debug"], ["spam", "--debug", "word"], ["--debug", "spam"]])
@pytest.mark.parametrize("error", [DataError("row 3 is bad"), RuntimeError("boom")])
def test_debug_shows_the_traceback(
    arguments: list[str], error: Exception, command, capsys: pytest.CaptureFixture[str]
) -> None:
    command(raising(error))
    assert main(arguments) == 1
    text = capsys.readouterr().err
    assert "Traceback (most recent call last)" in text
    assert text.splitlines()[-1].startswith("pylon-zoo: error:")


def test_an_interruption_is_quiet(command, capsys: pytest.CaptureFixture[str]) -> None:
    command(raising(KeyboardInterrupt()))
    assert main(["spam"]) == 130
    assert capsys.readouterr().err == "pylon-zoo: error: interrupted\n"


def test_the_commands_code_is_returned(command) -> None:
    command(lambda args: 7)
    assert main(["spam"]) == 7


def test_the_process_arguments_are_the_default(command, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    command(lambda args: seen.extend(args.words) or 0)
    monkeypatch.setattr(module.sys, "argv", ["pylon-zoo", "spam", "a", "b"])
    assert main() == 0
    assert seen == ["a", "b"]


def test_a_closed_pipe_is_quiet() -> None:
    code = (
        "import os, sys, types\n"
        "from pylon_zoo.cli.main import COMMANDS, main\n"
        "spam = types.ModuleType('spam')\n"
        "spam.add_arguments = lambda parser: None\n"
        "spam.run = lambda args: print('x' * 100_000) or 0\n"
        "sys.modules['spam'] = spam\n"
        "COMMANDS['spam'] = ('spam', 'print')\n"
        "reading, writing = os.pipe()\n"
        "os.close(reading)\n"
        "os.dup2(writing, 1)\n"
        "sys.exit(main(['spam']))"
    )
    root = Path(pylon_zoo.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, text=True, capture_output=True, timeout=60)
    assert done.returncode == 141
    assert done.stderr == ""
