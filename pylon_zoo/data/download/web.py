"""One request over HTTP: an answer with bytes, or the reason why there is none.

Python's own client; proxies are those of the environment (`http_proxy`, `https_proxy`, `no_proxy`).
"""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener, getproxies, proxy_bypass

from pylon_zoo._version import __version__
from pylon_zoo.data.download.patience import BreakError, RefusalError
from pylon_zoo.data.download.table import PAGE
from pylon_zoo.waits import seconds_of

SILENCE = 60.0  # seconds without a byte that break a connection
SCHEMES = ("https", "http")
LATER = (408, 425, 429, 500, 502, 503, 504)
REASONS = {
    401: ("it wants a login", f"The release may need one now: {PAGE}."),
    403: ("it does not allow this", f"The release may need a login now: {PAGE}."),
    404: ("the file is not there", f"It has moved: {PAGE}."),
    407: ("the proxy wants a login", "Give it in https_proxy, as http://NAME:PASSWORD@HOST:PORT."),
    410: ("the file is not there any more", f"It has moved: {PAGE}."),
}
CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


@dataclass(frozen=True)
class Answer:
    """What a server sends.

    Attributes:
        host: who, for messages.
        start: the place in the file of the first byte that `read` gives; None where no bytes come because the file
            ends before the place that was asked for.
        total: bytes of the whole file; None where it is not told.
        etag, modified: what the server calls this version of the file, `""` where it does not.
        body: what `read` reads from; None where no bytes come.
    """

    host: str
    start: int | None
    total: int | None
    etag: str
    modified: str
    body: http.client.HTTPResponse | None

    def read(self, size: int) -> bytes:
        """The next bytes, `b""` at the end.

        Raises:
            BreakError: the connection broke.
        """
        try:
            return b"" if self.body is None else self.body.read1(size)
        except (OSError, http.client.HTTPException) as error:
            raise BreakError(f"the connection to {self.host} broke ({_short(error)})") from error


@contextmanager
def opened(
    address: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    start: int = 0,
    version: str = "",
    silence: float = SILENCE,
) -> Iterator[Answer]:
    """An answer, open as long as the `with` lasts.

    Args:
        address: `https://…` or `http://…`.
        method: GET, or HEAD for an answer without bytes.
        headers: sent to this server, and not to others that it leads on to.
        start: where to go on in the file.
        version: ETag or date of the version that is gone on with; of another one, the whole file comes.
        silence: seconds without a byte after which a connection counts as broken.

    Raises:
        BreakError: no answer, or one that says to come back later.
        RefusalError: an answer that says no.
    """
    request = Request(address, headers={"User-Agent": f"pylon-zoo/{__version__}"}, method=method)
    for name, value in (headers or {}).items():
        request.add_unredirected_header(name, value)
    if start:
        request.add_header("Range", f"bytes={start}-")
        if version:
            request.add_header("If-Range", version)
    host = _host(address)
    try:
        response = build_opener(_Redirects).open(request, timeout=silence)
    except HTTPError as error:
        with error:
            if error.code == 416:
                yield Answer(host, None, _content_range(error.headers)[1], "", "", None)
                return
            raise _refused(host, error) from error
    except URLError as error:
        raise _unreachable(host, error.reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(host, error) from error
    except ValueError as error:
        raise RefusalError(f"{host} leads on to what is no address ({_short(error)})", "Try again later.") from error
    with response:
        yield _answer(host, response, start)


def _answer(host: str, response: http.client.HTTPResponse, asked: int) -> Answer:
    """What the headers say.

    Raises:
        BreakError: other bytes than those that were asked for.
        RefusalError: a web page where a file should be, or bytes in a coding that was not asked for.
    """
    headers = response.headers
    coding = headers.get("Content-Encoding", "identity")
    if headers.get_content_type() == "text/html":
        raise RefusalError(
            f"{host} sent a web page instead of the file",
            "Open its address in a browser: there may be a question to answer, or a network to log in to.",
        )
    if coding != "identity":
        raise RefusalError(
            f"{host} sent the file in the coding '{coding}', which was not asked for", "Try without a proxy, or later."
        )
    length = headers.get("Content-Length", "")
    start, total = 0, int(length) if length.isdecimal() else None
    if response.status == 206:
        first, total = _content_range(headers)
        if first is None or first > asked:
            raise BreakError(f"{host} sent another part of the file than was asked for")
        start = first
    return Answer(host, start, total, headers.get("ETag", ""), headers.get("Last-Modified", ""), response)


class _Redirects(HTTPRedirectHandler):
    """Follows to the web alone, and never from https to what others can read and change on the way."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in SCHEMES or (req.type == "https" and scheme != "https"):
            raise RefusalError(
                f"{_host(req.full_url)} leads on to {scheme}://{urlsplit(newurl).netloc}, which is not secure",
                f"Nothing was taken from there: {PAGE}.",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refused(host: str, error: HTTPError) -> BreakError | RefusalError:
    if error.code in LATER:
        return BreakError(f"{host} answered {error.code}", seconds_of(error.headers.get("Retry-After")))
    if 300 <= error.code < 400:
        return RefusalError(f"{host} leads on in a circle, or to nowhere ({error.code})", "Try again later.")
    reason, advice = REASONS.get(error.code, ("it does not give the file", "Try again later."))
    return RefusalError(f"{host} answered {error.code}: {reason}", advice)


def _unreachable(host: str, reason: object) -> BreakError | RefusalError:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return RefusalError(
            f"the certificate of {host} cannot be trusted ({reason.verify_message})",
            "Check the clock; behind a company's proxy, let SSL_CERT_FILE name its certificates.",
        )
    return BreakError(f"no answer from {host} ({_short(reason)})")


def _content_range(headers: Message) -> tuple[int | None, int | None]:
    """First byte and whole size of `bytes 5-9/10`."""
    match = CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    first, total = match.groups() if match else (None, None)
    return (None if first is None else int(first)), int(total) if total and total.isdecimal() else None


def _host(address: str) -> str:
    """The host, and the proxy on the way to it, without a password."""
    parts = urlsplit(address)
    proxy = getproxies().get(parts.scheme)
    if not proxy or proxy_bypass(parts.netloc):
        return parts.netloc
    return f"{parts.netloc} by the proxy {urlsplit(proxy).netloc.rpartition('@')[2] or proxy}"


def _short(reason: object) -> str:
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return " ".join(text.split()).rstrip(".")[:120]
