"""The command works with a server whose certificate was issued by a private authority."""

from __future__ import annotations

import http.server
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bunbase.contracts.bunauth.accounts import Account
from tests.cli.conftest import Bunbase
from tests.cli.fake_api import EMAIL, NOW


class Me(http.server.BaseHTTPRequestHandler):
    """Answer every GET in the same way as `GET /api/auth/me`."""

    def do_GET(self) -> None:
        body = msgspec.json.encode({"user": Account("usr_ada", EMAIL, "Ada", "admin", NOW)})
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    """Return a PEM file with a certificate of 127.0.0.1; `key.pem` beside it is its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a private authority")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return tmp_path / "ca.pem"


@pytest.fixture
def url(ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BUNBASE_TOKEN", "bpt_1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca_file, ca_file.with_name("key.pem"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Me) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_unknown_authority_is_refused_and_the_message_names_the_flag(bunbase: Bunbase, url: str) -> None:
    said = bunbase("whoami", "--url", url)

    assert said.code == 4
    assert "its certificate is not trusted" in said.err
    assert "--ca-file" in said.err
    assert "bunbase dev" not in said.err


def test_an_authority_can_be_trusted_by_flag(bunbase: Bunbase, url: str, ca_file: Path) -> None:
    assert bunbase("whoami", "--url", url, "--ca-file", str(ca_file), "--json").document["user"]["email"] == EMAIL


@pytest.mark.parametrize("variable", ["BUNBASE_CA_FILE", "SSL_CERT_FILE"])
def test_an_authority_can_be_trusted_by_variable(
    bunbase: Bunbase, url: str, ca_file: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(ca_file))

    assert bunbase("whoami", "--url", url).code == 0


def test_a_certificate_for_another_name_is_refused_without_the_advice_to_trust_it(
    bunbase: Bunbase, url: str, ca_file: Path
) -> None:
    said = bunbase("whoami", "--url", url.replace("127.0.0.1", "localhost"), "--ca-file", str(ca_file))

    assert said.code == 4
    assert "its certificate is not trusted" in said.err
    assert "--ca-file" not in said.err


@pytest.mark.parametrize("variable", ["", "BUNBASE_CA_FILE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_authorities_is_a_usage_error_that_names_the_file(
    bunbase: Bunbase, home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: str | None
) -> None:
    file = home / "broken.pem"
    if content is not None:
        file.write_text(content)
    if variable:
        monkeypatch.setenv(variable, str(file))

    said = bunbase("whoami", "--url", "https://127.0.0.1:1", *([] if variable else ["--ca-file", str(file)]))

    assert said.code == 2
    assert str(file) in said.err
