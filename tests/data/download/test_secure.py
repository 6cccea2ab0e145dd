"""https: certificates are looked at, and nothing leads from it to what is not secure."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request

import pytest
from loopback_files import Fault, FileServer

from pylon_zoo.data.download.patience import RefusalError
from pylon_zoo.data.download.table import RemoteFile
from pylon_zoo.data.download.transfer import transfer
from pylon_zoo.data.download.web import _Redirects
from pylon_zoo.errors import DownloadError

BODY = bytes(range(256)) * 40
NEW_KEY = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 "
    "-keyout key -out certificate"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        [*NEW_KEY.split(), "-keyout", "key", "-out", "certificate"], cwd=folder, check=True, capture_output=True
    )
    both = folder / "both.pem"
    both.write_text(
        (folder / "key").read_text(encoding="utf-8") + (folder / "certificate").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    return both


@pytest.fixture
def secure(certificate: Path) -> Iterator[FileServer]:
    with FileServer({"/file": BODY}, certificate=certificate) as running:
        yield running


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Python trust that certificate, as a company's users do."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def fetch(server: FileServer, folder: Path, heard) -> bytes:
    return transfer(RemoteFile("file", (f"{server.address}/file",)), folder, heard.watch).read_bytes()


@pytest.mark.usefixtures("trusted")
def test_a_certificate_that_is_trusted(secure, tmp_path, heard):
    assert fetch(secure, tmp_path, heard) == BODY


def test_a_certificate_that_is_not(secure, tmp_path, heard):
    with pytest.raises(DownloadError, match=r"the certificate of .* cannot be trusted \(self.signed certificate\)"):
        fetch(secure, tmp_path, heard)
    assert heard.said == []  # it would not be another one the next time


@pytest.mark.usefixtures("trusted")
def test_to_another_server_that_is_secure(secure, certificate, tmp_path, heard):
    with FileServer({"/elsewhere": BODY}, certificate=certificate) as other:
        secure.faults["/file"] = [Fault(307, {"Location": f"{other.address}/elsewhere"})]
        assert fetch(secure, tmp_path, heard) == BODY


@pytest.mark.usefixtures("trusted")
def test_to_a_server_that_is_not_secure(secure, server, tmp_path, heard):
    server.files["/file"] = BODY
    secure.faults["/file"] = [Fault(302, {"Location": f"{server.address}/file"})]
    with pytest.raises(DownloadError, match=rf"leads on to http://{server.host}, which is not secure\."):
        fetch(secure, tmp_path, heard)
    assert server.log == []


@pytest.mark.parametrize("address", ["http://b.invalid/", "ftp://b.invalid/", "file:///etc/hostname"])
def test_the_rule(address):
    with pytest.raises(RefusalError, match=r"^a\.invalid leads on to"):
        _Redirects().redirect_request(Request("https://a.invalid/"), None, 302, "", {}, address)
    secure = _Redirects().redirect_request(Request("http://a.invalid/"), None, 302, "", {}, "https://b.invalid/")
    assert secure.full_url == "https://b.invalid/"
