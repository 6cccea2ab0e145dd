"""One file from a server that says no, comes late, leads elsewhere or sends something else: one sentence says so."""

from __future__ import annotations

from email.utils import formatdate
from hashlib import md5, sha1, sha256

import pytest
from loopback_files import Fault, FileServer
from transfers import BODY, OTHER, PATH, refused

from pylon_zoo.data.download.table import RemoteFile


@pytest.mark.parametrize(
    ("kind", "value"), [("md5", md5(BODY).hexdigest()), ("git", sha1(b"blob %d\0" % len(BODY) + BODY).hexdigest())]
)
def test_other_checksums(server, remote, fetch, kind, value):
    assert fetch(RemoteFile("file.bin", remote.addresses, checksum=f"{kind}:{value}")) == BODY
    assert f"its {kind} is" in refused(fetch, RemoteFile("file.bin", remote.addresses, checksum=f"{kind}:{'0' * 32}"))


@pytest.mark.parametrize("answers", [[503], [500, 502, 504], [408]])
def test_errors_that_pass(server, remote, fetch, heard, answers):
    server.fail(PATH, *(Fault(status) for status in answers))
    assert fetch(remote) == BODY
    assert f"{server.host} answered {answers[0]}: trying again in 1 second" in heard.said[0]


def test_a_server_that_asks_for_an_hour_is_waited_for_two_minutes_and_that_is_said(server, remote, fetch, heard):
    server.fail(PATH, Fault(429, {"Retry-After": "3600"}))
    assert fetch(remote) == BODY
    assert heard.said == [
        f"{server.host} answered 429: trying again in 2 minutes instead of the 60 minutes it asks for",
    ]


def test_a_server_that_goes_on_asking_for_an_hour(server, remote, fetch):
    server.faults[PATH] = [Fault(429, {"Retry-After": "3600"})]
    assert "answered 429, 6 times in a row. Run the same command again in 60 minutes" in refused(fetch, remote)


def test_a_date_to_come_back_at(server, remote, fetch, heard):
    server.fail(PATH, Fault(503, {"Retry-After": formatdate(usegmt=True)}))
    assert fetch(remote) == BODY
    assert "trying again in 0 seconds" in heard.said[0]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (404, "answered 404: the file is not there. It has moved"),
        (403, "answered 403: it does not allow this. The release may need a login now"),
        (401, "answered 401: it wants a login"),
        (410, "answered 410: the file is not there any more"),
        (418, "answered 418: it does not give the file. Try again later"),
    ],
)
def test_errors_that_stay_are_said_at_once(server, remote, fetch, status, reason):
    server.faults[PATH] = [Fault(status)]
    assert f"{server.host} {reason}" in refused(fetch, remote)
    assert len(server.asked(PATH)) == 1


def test_nobody_there(server, remote, fetch, heard):
    server.__exit__()
    assert f"no answer from {server.host} (Connection refused), 6 times in a row" in refused(fetch, remote)


def test_other_bytes(server, remote, fetch, tmp_path):
    server.files[PATH] = OTHER
    message = refused(fetch, remote)
    assert f"its sha256 is {sha256(OTHER).hexdigest()} where {sha256(BODY).hexdigest()} was published" in message
    assert "nothing of it was kept. Run the same command again" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", [BODY[:-1], BODY + b"x", b""])
def test_another_length_than_published_is_not_even_downloaded(server, remote, fetch, heard, body):
    server.files[PATH] = body
    assert f"the server's file has {len(body):,} bytes where 300,000 were published" in refused(fetch, remote)
    assert heard.bytes == 0


def test_a_length_that_is_not_told(server, remote, fetch, heard):
    server.faults[PATH] = [Fault(headers={"Content-Length": None})]
    assert fetch(remote) == BODY
    server.files[PATH] = BODY + BODY
    assert "has more than 300,000 bytes where 300,000 were published" in refused(fetch, remote)
    assert heard.bytes == len(BODY)  # those of the first time


def test_a_length_that_is_not_told_and_less_than_it(server, remote, fetch):
    server.fail(PATH, Fault(headers={"Content-Length": None}, sent=100_000))
    assert fetch(remote) == BODY


def test_a_web_page_in_place_of_the_file(server, unpublished, fetch, tmp_path):
    server.faults[PATH] = [Fault(headers={"Content-Type": "text/html; charset=utf-8"})]
    message = refused(fetch, unpublished)
    assert f"{server.host} sent a web page instead of the file. Open its address in a browser" in message
    assert list(tmp_path.iterdir()) == []


def test_a_coding_that_nobody_asked_for(server, remote, fetch):
    server.faults[PATH] = [Fault(headers={"Content-Encoding": "gzip"})]
    assert "in the coding 'gzip', which was not asked for" in refused(fetch, remote)


def test_redirects_are_followed_with_the_range(server, remote, fetch):
    server.files["/moved"] = BODY
    server.faults[PATH] = [Fault(302, {"Location": "/moved"})]
    server.fail("/moved", Fault(sent=100_000))
    assert fetch(remote) == BODY
    assert server.asked("/moved") == [None, "bytes=100000-"]


@pytest.mark.parametrize("location", [PATH, None, "http://[", "ftp://127.0.0.1/file", "file:///etc/hostname"])
def test_redirects_to_nowhere(server, remote, fetch, location):
    server.faults[PATH] = [Fault(302, {"Location": location})]
    assert "leads on " in refused(fetch, remote)


def test_a_token_stays_with_the_server_that_it_is_for(server, remote, fetch):
    with FileServer({PATH: BODY}) as elsewhere:
        server.faults[PATH] = [Fault(302, {"Location": f"{elsewhere.address}{PATH}"})]
        with_token = RemoteFile(
            remote.name, remote.addresses, remote.size, remote.checksum, headers={"Authorization": "Bearer secret"}
        )
        assert fetch(with_token) == BODY
        assert server.asked(PATH, "Authorization") == ["Bearer secret"]
        assert elsewhere.asked(PATH, "Authorization") == [None]


def test_a_second_address(server, remote, fetch, heard):
    server.files["/copy"] = BODY
    server.fail(PATH, Fault(sent=100_000), Fault(404))
    both = RemoteFile(remote.name, (*remote.addresses, f"{server.address}/copy"), remote.size, remote.checksum)
    assert fetch(both) == BODY
    assert server.asked("/copy") == ["bytes=100000-"]  # the checksum vouches for the whole
    assert heard.bytes == len(BODY)


def test_two_addresses_that_fail(server, remote, fetch):
    both = RemoteFile(remote.name, (f"{server.address}/a", f"{server.address}/b"), remote.size, remote.checksum)
    server.faults |= {"/a": [Fault(404)], "/b": [Fault(403)]}
    assert refused(fetch, both).count(f"{server.host} answered 40") == 2


def test_a_proxy(server, fetch, monkeypatch):
    server.files[PATH] = BODY
    monkeypatch.setenv("http_proxy", f"http://someone:secret@{server.host}")
    assert fetch(RemoteFile("file.bin", (f"http://release.invalid{PATH}",))) == BODY
    server.faults[PATH] = [Fault(407)]
    message = refused(fetch, RemoteFile("file.bin", (f"http://release.invalid{PATH}",)))
    assert f"release.invalid by the proxy {server.host} answered 407: the proxy wants a login" in message
    assert "secret" not in message
