"""A web server on the loopback interface that honours Range and If-Range, and goes wrong as it is told to."""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

PATIENCE = 300  # seconds that a stalled answer waits at most


@dataclass(frozen=True)
class Fault:
    """One way to answer wrongly.

    Attributes:
        status: answered instead of the file.
        headers: sent as well; None takes one away.
        sent: how many bytes of the body go out before the connection closes.
        change: what becomes of the file before anything else.
        whole: send all of it, whatever part was asked for.
        same: take If-Range for fulfilled, whatever it says.
        stall: wait for `FileServer.resume` behind `sent`.
    """

    status: int | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    sent: int | None = None
    change: Callable[[bytes], bytes] | None = None
    whole: bool = False
    same: bool = False
    stall: bool = False


class Asked(NamedTuple):
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class FileServer:
    """A running server.

    Attributes:
        files: path, which begins with a slash → content.
        faults: path → what happens to its next requests by GET, used up one by one; the last one stays.
        log: what was asked.
        certificate: speak https, with the key and certificate of this file.
        address: `http://…`, set when it runs.
        resume: set to let stalled answers go on.
        stalled: set while an answer is stalled.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    log: list[Asked] = field(default_factory=list)
    certificate: Path | None = None
    address: str = ""
    resume: threading.Event = field(default_factory=threading.Event)
    stalled: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> FileServer:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.address = f"http{'s' if self.certificate else ''}://{self.host}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.resume.set()
        self.server.shutdown()
        self.server.server_close()

    def fail(self, path: str, *faults: Fault | None) -> None:
        """What happens to the next requests for a path; None is a good answer, and behind the last one all are."""
        self.faults[path] = [fault or Fault() for fault in (*faults, None)]

    def asked(self, path: str, header: str = "Range") -> list[str | None]:
        """That header of every request by GET for a path."""
        return [one.headers.get(header) for one in self.log if one.method == "GET" and one.path == path]

    def next_fault(self, path: str) -> Fault:
        """The fault of a request, used up by it."""
        with self.lock:
            faults = self.faults.get(path, [])
            return faults.pop(0) if len(faults) > 1 else (faults or [Fault()])[0]


def _handler(server: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            path = self.path.removeprefix("http://release.invalid")  # what a proxy is asked for
            server.log.append(Asked(self.command, path, dict(self.headers)))
            fault = server.next_fault(path) if self.command == "GET" else Fault()
            if fault.status is not None:
                self.send(fault.status, {"Content-Length": "0", **fault.headers}, b"", fault)
            elif path not in server.files:
                self.send(404, {"Content-Length": "0"}, b"", fault)
            else:
                self.send_file(server.files[path], fault)

        do_GET = do_HEAD = handle_any

        def send_file(self, body: bytes, fault: Fault) -> None:
            body = fault.change(body) if fault.change else body
            etag = f'"{hashlib.md5(body).hexdigest()}"'
            known, wanted = self.headers.get("If-Range", etag), self.headers.get("Range")
            headers: dict[str, str | None] = {"ETag": etag, "Content-Type": "application/octet-stream"}
            status, start = 200, 0
            if wanted and not fault.whole and (known == etag or fault.same):
                start = int(wanted.removeprefix("bytes=").partition("-")[0])
                status = 206 if start < len(body) else 416
                last = f"{start}-{len(body) - 1}" if status == 206 else "*"
                headers["Content-Range"] = f"bytes {last}/{len(body)}"
            rest = b"" if status == 416 else body[start:]
            self.send(status, {**headers, "Content-Length": str(len(rest)), **fault.headers}, rest, fault)

        def send(self, status: int, headers: Mapping[str, str | None], body: bytes, fault: Fault) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if value is not None:
                    self.send_header(name, value)
            if headers.get("Content-Length") is None:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            if self.command == "HEAD":
                return
            try:
                self.wfile.write(body[: fault.sent])
                self.wfile.flush()
                if fault.stall:
                    server.stalled.set()
                    server.resume.wait(PATIENCE)
                    self.wfile.write(body[fault.sent or 0 :])
                elif fault.sent is not None:
                    time.sleep(0.01)  # so that what was sent arrives before the end does
                    self.close_connection = True
            except OSError:  # the client has gone, as some tests mean it to
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on stderr; `server.log` has it."""

    return Handler
