"""Steps that leave a mark when they are done, so that whatever was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pylon_zoo.files import make_folder, write_text

DONE, BEGUN, TO_DO = "done", "begun", "to do"


@dataclass(frozen=True)
class Step:
    """One step on a way.

    A step is done while its mark says that this very thing was done with these very files, and what it wrote is there;
    so whatever changes before it makes it be done again.

    Attributes:
        name: of the step, for people.
        does: the command, or a sentence.
        act: does it, and gives an exit code. Cut short and called again, it goes on, or begins anew.
        mark: file that says it is done; its folder is made.
        reads: files that it depends on; the steps before have made them.
        writes: files that it leaves.
        traces: a file that is there once it has begun.
        needs: what only the user can give and did not; empty where nothing is missing.
        late: what is missing matters only when its turn has come.

    Example:
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp())
        >>> file = folder / "made.txt"
        >>> act = lambda: 0 * file.write_text("made")
        >>> step = Step("make", "make a file", act, folder / "made.json", writes=(file,))
        >>> step.state, step.act(), step.note(), step.state
        ('to do', 0, None, 'done')
    """

    name: str
    does: str
    act: Callable[[], int]
    mark: Path
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    traces: Path | None = None
    needs: str = ""
    late: bool = False

    @property
    def state(self) -> str:
        """`"done"`, `"begun"` or `"to do"`."""
        if self.mark.is_file() and all(file.exists() for file in self.writes):
            content = self._content()
            if content is not None and self.mark.read_text(encoding="utf-8") == content:
                return DONE
        return BEGUN if self.traces is not None and self.traces.exists() else TO_DO

    def note(self) -> None:
        """Note that the step is done, atomically; nothing where it did not leave its files."""
        content = self._content()
        if content is not None and all(file.exists() for file in self.writes):
            write_text(make_folder(self.mark.parent) / self.mark.name, content)

    def _content(self) -> str | None:
        """What the step does, with the hashes of what it reads; None while one of these files is not there."""
        hashes = {}
        for file in self.reads:
            if not file.is_file():
                return None
            with file.open("rb") as content:
                hashes[file.as_posix()] = hashlib.file_digest(content, "sha256").hexdigest()
        return json.dumps({"does": self.does, "reads": hashes}, indent=2, ensure_ascii=False) + "\n"
