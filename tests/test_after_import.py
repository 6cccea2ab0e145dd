"""An action after an import, on packages made for it; what is done with timm is in test_timm_plugin.py."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread

import pytest

from pylon_zoo import after_import as module
from pylon_zoo.after_import import after_import


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package that takes a moment to import, and has a module `inner`; both are forgotten afterwards."""
    name = f"made_{tmp_path.name.replace('-', '_')}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text("import time\ntime.sleep(0.05)\nfrom . import inner\n", encoding="utf-8")
    (folder / "inner.py").write_text("import time\ntime.sleep(0.05)\nvalue = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    finders = list(sys.meta_path)
    yield name
    sys.meta_path[:] = finders
    forget(name)


def forget(package: str) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def test_it_imports_nothing_and_waits(package: str):
    done: list[int] = []
    after_import(f"{package}.inner", lambda: done.append(sys.modules[f"{package}.inner"].value))
    assert package not in sys.modules
    assert done == []
    importlib.import_module(package)
    assert done == [1]


def test_what_is_there_is_not_waited_for(package: str):
    importlib.import_module(package)
    done: list[int] = []
    after_import(f"{package}.inner", lambda: done.append(1))
    assert done == [1]


def test_once_and_again_when_the_module_is_executed_again(package: str):
    done: list[int] = []
    after_import(f"{package}.inner", lambda: done.append(1))
    importlib.import_module(package)
    importlib.import_module(f"{package}.inner")
    assert len(done) == 1
    importlib.reload(sys.modules[f"{package}.inner"])
    assert len(done) == 2
    forget(package)
    importlib.import_module(package)
    assert len(done) == 3


def test_a_later_action_takes_the_place_of_an_earlier_one(package: str):
    done: list[str] = []
    after_import(f"{package}.inner", lambda: done.append("first"))
    count = len(sys.meta_path)
    after_import(f"{package}.inner", lambda: done.append("second"))
    fresh = importlib.util.module_from_spec(importlib.util.spec_from_file_location(module.__name__, module.__file__))
    fresh.__spec__.loader.exec_module(fresh)  # what a reload makes: the same file, other classes
    fresh.after_import(f"{package}.inner", lambda: done.append("third"))
    assert len(sys.meta_path) == count
    importlib.import_module(package)
    assert done == ["third"]


def test_two_modules_have_two_actions(package: str):
    done: list[str] = []
    after_import(package, lambda: done.append("outer"))
    after_import(f"{package}.inner", lambda: done.append("inner"))
    importlib.import_module(package)
    assert done == ["inner", "outer"]


def test_the_module_keeps_its_own_loader(package: str):
    after_import(f"{package}.inner", lambda: None)
    found = importlib.util.find_spec(package)
    assert found is not None
    inner = importlib.import_module(f"{package}.inner")
    assert type(inner.__loader__).__name__ == type(inner.__spec__.loader).__name__ == "SourceFileLoader"
    assert inner.__loader__ is inner.__spec__.loader


def test_a_module_that_is_only_looked_for_can_be_read(package: str):
    after_import(package, lambda: pytest.fail("it was not imported"))
    spec = importlib.util.find_spec(package)
    assert spec.loader.get_source(package).startswith("import time")
    assert spec.submodule_search_locations


def test_a_module_that_does_not_exist_stays_so(package: str):
    after_import(f"{package}.gone", lambda: pytest.fail("there is no such module"))
    assert importlib.util.find_spec(f"{package}.gone") is None
    with pytest.raises(ModuleNotFoundError, match="gone"):
        importlib.import_module(f"{package}.gone")


def test_an_error_in_the_action_is_the_imports(package: str):
    def fail() -> None:
        raise RuntimeError("no")

    after_import(f"{package}.inner", fail)
    with pytest.raises(RuntimeError, match="no"):
        importlib.import_module(package)
    assert f"{package}.inner" not in sys.modules


@pytest.mark.parametrize("importers", [1, 4])
def test_whichever_thread_comes_first(importers: int, package: str):
    for _ in range(5):
        forget(package)
        done: list[bool] = []
        start = Barrier(importers + 1)

        def importing(start: Barrier = start) -> None:
            start.wait()
            importlib.import_module(package)

        def asking(start: Barrier = start, done: list[bool] = done) -> None:
            start.wait()
            after_import(f"{package}.inner", lambda: done.append(hasattr(sys.modules[f"{package}.inner"], "value")))

        threads = [*(Thread(target=importing) for _ in range(importers)), Thread(target=asking)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert not any(thread.is_alive() for thread in threads)
        assert done
        assert all(done)
