"""How long it takes from a dropped image to its map, in a real browser, and whether eight users at once lose anything.

    python benchmarks/app_latency.py            # writes results/app_latency.csv and the table of docs/app.md
    python benchmarks/app_latency.py --answers  # the processor's time of the server's answers alone, printed

For each bundled model the app runs in a process of its own, as `pylon-zoo app` starts it. A browser without a window
drops images of 1024 × 1024 pixels, no two alike. What counts is the page's own clock, from the drop to the moment when
the map of that image has been decoded, on a machine with nothing else to do. The processor's time of server, browser
and driver together stands beside it: what one core takes, whatever else the machine does. Then eight users at
once, each with a session of their own, ask over HTTP for new images and other classes. An answer counts that shows the
image that was sent. Memory is the server's resident memory after the last request, less that after a third of them.
Exits with 1 where a limit is passed. Linux only.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, load
from PIL import Image
from tables import command_for, publish, results_file

NAME = "app_latency"
PAGE = Path(__file__).parents[1] / "docs" / "app.md"
MODELS = ("pylon_resnet18.phantom_cxr", "pylon_tf_efficientnet_lite0.deeppcb_tiles")
HOST = "127.0.0.1"
SIDE = 1024
USERS = 8
MOST_MS, MOST_GROWTH_MB = 500.0, 50.0
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0
PATIENCE = 300  # seconds
BROWSER = shutil.which("chromium") or "chromium"
DROP = """
([name, bytes]) => new Promise((resolve) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(bytes), (char) => char.charCodeAt(0))], name));
  const begin = performance.now();
  const look = () => {
    const map = document.querySelector(".pz-map");
    if (!map || !map.alt.includes(name)) return requestAnimationFrame(look);
    map.decode().then(() => resolve(performance.now() - begin));
  };
  document.querySelector(".pz-zone").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
  look();
})
"""
"""Milliseconds from a drop to the map."""


def picture(seed: int) -> bytes:
    """A PNG of smooth noise."""
    grey = np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "png")
    return buffer.getvalue()


@contextmanager
def app(model: str) -> Iterator[tuple[str, int]]:
    """The running app's address, and its process."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryFile() as told:
        command = [sys.executable, "-m", "pylon_zoo", "app", "--model", model, "--port", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True)
        try:
            if process.stdout is None or not process.stdout.readline().startswith("Open "):
                told.seek(0)
                raise SystemExit(f"{' '.join(command)} did not start: {told.read().decode()}")
            yield f"http://{HOST}:{port}", process.pid
        finally:
            process.terminate()
            process.wait()


def processor_ms() -> float:
    """Milliseconds of the processor that the processes started from here have taken so far, and theirs."""
    assert sys.platform == "linux", "other systems say elsewhere what their processes take"
    parents, taken = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        number = int(path.parent.name)
        parents[number], taken[number] = int(fields[1]), int(fields[11]) + int(fields[12])
    family = {os.getpid()}
    while grown := {number for number, parent in parents.items() if parent in family} - family:
        family |= grown
    return sum(taken.get(number, 0) for number in family - {os.getpid()}) * 1000 / TICKS


def drops(address: str, times: int) -> tuple[list[float], float]:
    """Milliseconds of each drop by the page's clock, and the processor's of all; three before them do not count."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1360, "height": 900})
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(address)
        page.wait_for_selector(".pz-zone")
        clock, processor = [], 0.0
        for seed in range(-3, times):
            told = [f"image{seed}.png", base64.b64encode(picture(seed + 3)).decode()]
            before = processor_ms()
            milliseconds = page.evaluate(DROP, told)
            if seed >= 0:
                clock.append(milliseconds)
                processor += processor_ms() - before
            page.wait_for_timeout(500)  # for what comes after the map
        browser.close()
    return clock, processor


class User:
    """Talks to the app as the page's script does."""

    def __init__(self, address: str, number: int) -> None:
        import httpx

        self.client = httpx.Client(base_url=f"{address}/gradio_api", timeout=PATIENCE)
        self.session = f"user{number}"
        config = httpx.get(f"{address}/config", timeout=PATIENCE).json()
        names = {part["id"]: part["props"].get("elem_id") for part in config["components"]}
        values = {part["id"]: part["props"].get("value") for part in config["components"]}
        self.calls = {}
        for call in config["dependencies"]:
            for target, event in call["targets"]:
                data = [values.get(place) for place in call["inputs"]]
                self.calls[names.get(target), event] = (call["id"], target, data)

    def ask(self, part: str, event: str, told: dict[str, Any]) -> str:
        """What comes back for an event of a part of the page, as text."""
        index, target, data = self.calls[part, event]
        body = {"data": data, "event_data": told, "fn_index": index, "trigger_id": target, "session_hash": self.session}
        self.client.post("/queue/join", json=body).raise_for_status()
        with self.client.stream("GET", "/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if message.get("msg") == "process_completed":
                    return json.dumps(message["output"]) if message["success"] else ""
        return ""

    def drop(self, name: str, content: bytes) -> bool:
        """Whether a new image is answered with its map."""
        sent = self.client.post("/upload", files={"files": (f"{self.session}-{name}.bin", content)}).json()
        told = {"files": [{"name": name, "path": sent[0], "size": len(content)}], "left_out": 0}
        answer = self.ask("pz-drop", "upload", told)
        return f"over {name}, highest at" in answer

    def choose(self, label: str, name: str) -> bool:
        """Whether a class of that image is answered with its map."""
        return f"Map of {label} over {name}, highest at" in self.ask("pz-bars", "select", {"label": label})


def resident_mb(process: int) -> float:
    """Resident memory of a process."""
    assert sys.platform == "linux", "other systems say elsewhere what their processes hold"
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def many(address: str, process: int, labels: Sequence[str], requests: int) -> dict[str, float]:
    """Users at once: requests answered, lost, a second, and how much memory grew after the first third."""
    users = [User(address, number) for number in range(USERS)]
    contents = [picture(seed) for seed in range(USERS)]
    numbers = count()
    memory: list[float] = []

    def work(number: int) -> int:
        right = 0
        for place in range(requests // USERS):
            name = f"{number}-{place - place % 2}.png"
            if place % 2:
                right += users[number].choose(labels[place % len(labels)], name)
            else:
                right += users[number].drop(name, contents[number])
            if next(numbers) == requests // 3:
                memory.append(resident_mb(process))
        return right

    begin = time.perf_counter()
    with ThreadPoolExecutor(USERS) as pool:
        right = sum(pool.map(work, range(USERS)))
    seconds = time.perf_counter() - begin
    asked = requests // USERS * USERS
    return {
        "requests": asked,
        "lost": asked - right,
        "per_second": round(asked / seconds, 1),
        "resident_mb": round(resident_mb(process)),
        "growth_mb": round(resident_mb(process) - memory[0], 1),
    }


def measure(model: str, times: int, requests: int) -> dict[str, Any]:
    """A row of the table."""
    from pylon_zoo.factory import create_model

    labels = create_model(model).label_names
    with app(model) as (address, process):
        clock, processor = drops(address, times)
        found = many(address, process, labels, requests)
    return {
        "model": model,
        "drops": len(clock),
        "processor_ms": round(processor / len(clock)),
        "median_ms": round(float(np.median(clock))),
        **found,
        "load": round(load(), 1),
        "machine": describe(),
    }


def report(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page."""
    lines = [
        "| model | drop to map, processor | by the clock | eight users: requests | lost | a second | memory grew by |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {row['model']} | {row['processor_ms']} ms | {row['median_ms']} ms | {row['requests']} | "
            f"{row['lost']} | {row['per_second']} | {row['growth_mb']} MB of {row['resident_mb']} |"
            for row in rows
        ),
        "",
        f"{SIDE} × {SIDE} pixels as PNG, {rows[0]['drops']} drops. The processor's time is that of server, browser and "
        "driver from the drop to the decoded map, a mean; the clock is the page's own, a median, on a machine with "
        f"other work ({rows[0]['machine']}; up to {max(row['load'] for row in rows):g} processes wanted to run).",
    ]
    return "\n".join(lines)


def answers_ms(model: str, times: int) -> tuple[float, float]:
    """The processor's milliseconds, medians, to answer a dropped image and another class: no browser, no network."""
    import torch

    from pylon_zoo.app import answers
    from pylon_zoo.app.drawing import View
    from pylon_zoo.app.studio import Studio
    from pylon_zoo.factory import create_model

    torch.set_num_threads(1)
    studio = Studio({model: create_model(model)})
    labels = studio.sources[model].label_names
    taken: list[tuple[float, float]] = []
    for seed in range(-2, times):
        content = picture(seed + 2)
        begin = time.process_time()
        desk, *_ = answers.dropped(studio, [("image.png", content, len(content))], 0, [model], View())
        dropped = time.process_time()
        answers.redrawn(studio, desk, View(labels[seed % len(labels)]))
        if seed >= 0:
            taken.append(((dropped - begin) * 1000, (time.process_time() - dropped) * 1000))
    image, label = np.median(taken, axis=0)
    return float(image), float(label)


def beyond_a_limit(row: dict[str, Any]) -> bool:
    """Whether a model takes too long, loses a request, or lets memory grow."""
    return row["median_ms"] > MOST_MS or row["lost"] > 0 or row["growth_mb"] > MOST_GROWTH_MB


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write, compare with the limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drops", type=int, default=20, help="per model (default: 20)")
    parser.add_argument("--requests", type=int, default=200, help="per model (default: 200)")
    parser.add_argument("--answers", action="store_true", help="only the server's answers, without a browser")
    args = parser.parse_args(argv)
    if args.answers:
        for model in MODELS:
            image, label = answers_ms(model, args.drops)
            print(f"{model}: {image:.0f} ms for an image, {label:.0f} ms for another class", flush=True)
        return 0
    rows = [measure(model, args.drops, args.requests) for model in MODELS]
    publish(rows, report, results_file(NAME), PAGE, command_for(NAME))
    failed = [row["model"] for row in rows if beyond_a_limit(row)]
    if failed:
        print(f"Beyond a limit: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
