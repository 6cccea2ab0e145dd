"""The Hub itself: two servers, the second one for large files, as the real Hub has them on another host."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer

from loopback_hub.exchange import Request, make_handler
from loopback_hub.faults import FAULTS, Fault
from loopback_hub.store import Repo

TOKEN = "hf_loopback"  # of the one user, who may write anywhere


@dataclass
class Planned:
    """A fault to come: on these requests, that many times."""

    fault: Fault
    file: str
    methods: tuple[str, ...]
    left: float


@dataclass
class LoopbackHub:
    """A running Hub.

    Attributes:
        listener: the socket of the address that the client was told of, kept open from test to test.
        repos: `org/name` → repository.
        objects: sha256 → large file.
        log: every request so far, as (method, path).
        authorized: the path of every request, and whether it bore a token.
        resume: set to let stalled answers go on.
        stalled: set while an answer is stalled.
    """

    listener: socket.socket
    repos: dict[str, Repo] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)
    authorized: list[tuple[str, bool]] = field(default_factory=list)
    resume: threading.Event = field(default_factory=threading.Event)
    stalled: threading.Event = field(default_factory=threading.Event)
    faults: list[Planned] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> LoopbackHub:
        self.servers = [self._serve(self.listener), self._serve(socket.create_server(("127.0.0.1", 0)))]
        self.address, self.storage = (
            "http://{}:{}".format(*server.socket.getsockname()[:2]) for server in self.servers
        )
        return self

    def __exit__(self, *error: object) -> None:
        self.resume.set()
        for server in self.servers:
            server.shutdown()
        self.servers[1].server_close()

    def _serve(self, listener: socket.socket) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(listener.getsockname()[:2], make_handler(self), bind_and_activate=False)
        server.socket.close()
        server.socket, server.daemon_threads = listener, True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def add(self, name: str, files: dict[str, bytes], **properties: bool) -> str:
        """A repository with these files; the commit's oid."""
        repo = self.repos.setdefault(name, Repo(**properties))
        return repo.commit(files).oid

    def fail(
        self, name: str, *, file: str = "model.safetensors", methods: tuple[str, ...] = ("GET",), times: float = 1e9
    ) -> None:
        """Answer wrongly from now on.

        Args:
            name: a key of `FAULTS`.
            file: end of the path that it happens to; "" is every path.
            methods: of the requests that it happens to.
            times: how often.
        """
        self.faults.append(Planned(FAULTS[name], file, methods, times))

    def fault_for(self, request: Request) -> Fault | None:
        """The fault that a request meets, used up by one."""
        with self.lock:
            for planned in self.faults:
                if planned.left > 0 and request.method in planned.methods and request.path.endswith(planned.file):
                    planned.left -= 1
                    return planned.fault
        return None

    def count(self, method: str, part: str = "") -> int:
        """How many requests there were of a method with that in their path."""
        return sum(one == method and part in path for one, path in self.log)
