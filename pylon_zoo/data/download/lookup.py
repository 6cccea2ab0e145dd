"""What servers tell of files before they are downloaded: addresses and checksums on the Hub, sizes elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pylon_zoo.data.download.hub import on_the_web
from pylon_zoo.data.download.patience import BreakError, RefusalError, Watch
from pylon_zoo.data.download.plan import Task
from pylon_zoo.data.download.threads import for_each
from pylon_zoo.data.download.web import opened

SILENCE = 15.0  # seconds to wait for a size, without which it goes too


def looked_up(tasks: Sequence[Task], watch: Watch, threads: int) -> list[Task]:
    """The same tasks, with addresses of the web and with sizes, as far as servers tell them.

    Args:
        tasks: what to look up.
        watch: says when the Hub asks to wait.
        threads: how many servers to ask at a time.

    Raises:
        DownloadError: the Hub does not tell.
        StoppedError: it was stopped.
    """
    files = on_the_web([task.file for task in tasks], watch)
    announced: dict[str, int | None] = {}

    def ask(task: Task) -> None:
        file = task.file
        try:
            with opened(file.addresses[0], method="HEAD", headers=file.headers, silence=SILENCE) as answer:
                announced[file.name] = answer.total
        except (BreakError, RefusalError):
            pass  # the download itself will say what is wrong

    found = [replace(task, file=file) for task, file in zip(tasks, files, strict=True)]
    for_each([task for task in found if task.file.size is None], ask, threads, watch.stop)
    watch.check()
    return [replace(task, announced=announced.get(task.file.name)) for task in found]
