"""HTTP: one handler that finds the answer in a table of routes and sends it, with the fault that was asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from loopback_hub.faults import NO_FAULT, Fault

if TYPE_CHECKING:
    from loopback_hub.hub import LoopbackHub

PATIENCE = 30  # seconds that a stalled answer waits at most


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


@dataclass
class Answer:
    """What it gets. `body` is what GET sends; HEAD sends its length alone."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def of_json(value: Any, status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def refusal(status: int, code: str, message: str) -> Answer:
    """The Hub's way to say no."""
    return Answer(status, json.dumps({"error": message}).encode(), {"X-Error-Code": code, "X-Error-Message": message})


def make_handler(hub: LoopbackHub) -> type[BaseHTTPRequestHandler]:
    """The handler class of a Hub's servers."""
    from loopback_hub.routes import answer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, unquote(urlsplit(self.path).path), self.headers, body)
            hub.log.append((request.method, request.path))
            hub.authorized.append((request.path, "Authorization" in self.headers))
            fault = hub.fault_for(request)
            refused = fault is not None and fault.status is not None
            reply = Answer(fault.status, b"{}", dict(fault.headers)) if refused else answer(hub, request)
            self.reply(request, reply, fault or NO_FAULT)

        do_GET = do_HEAD = do_POST = do_PUT = handle_any

        def reply(self, request: Request, reply: Answer, fault: Fault) -> None:
            if fault.change is not None:
                reply.body = fault.change(reply.body)
            elif (wanted := request.headers.get("Range")) and reply.status == 200:
                start = int(wanted.removeprefix("bytes=").partition("-")[0])
                total = len(reply.body)
                reply.headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
                reply.status, reply.body = 206, reply.body[start:]
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if request.method != "HEAD":
                self.send(reply.body, fault)

        def send(self, body: bytes, fault: Fault) -> None:
            try:
                if fault.stall:
                    half = len(body) // 2
                    self.wfile.write(body[:half])
                    self.wfile.flush()
                    hub.stalled.set()
                    hub.resume.wait(PATIENCE)
                    body = body[half:]
                self.wfile.write(body[: int(len(body) * fault.sent)])
            except OSError:  # the client has gone, as some tests mean it to
                self.close_connection = True
            if fault.sent < 1:
                self.wfile.flush()
                time.sleep(0.01)  # so that what was sent arrives before the end does
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on stderr; `hub.log` has it."""

    return Handler
