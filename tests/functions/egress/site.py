"""A site on loopback that functions fetch from.

The site's TLS certificate is issued by an authority made for the test run.
"""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = ("api.test", "other.test", "rebinding.test", "private.test")
BIG = b"0123456789abcdef" * 65_536  # This is 1 MiB.


class Seen(msgspec.Struct):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Site:
    """A test site. `seen` lists the requests in order; `ended` counts the connections that the client closed."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self.ended = 0
        self.port = 0
        self.plain_port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while request := await _read(reader):
                self.seen.append(request)
                await self._answer(request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self.ended += 1
            writer.close()

    async def _answer(self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(request.target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match parts.path:
            case "/redirect":
                _head(writer, int(query.get("status", "302")), [("location", query["to"]), ("content-length", "0")])
            case "/loop":
                _head(writer, 302, [("location", "/loop"), ("content-length", "0")])
            case "/gzip":
                packed = gzip.compress(b"unpacked " * 100)
                _head(writer, 200, [("content-encoding", "gzip"), ("content-length", str(len(packed)))])
                writer.write(packed)
            case "/packed":
                packed = bytes.fromhex(query.get("body", ""))
                _head(writer, 200, [("content-encoding", query["as"]), ("content-length", str(len(packed)))])
                writer.write(packed)
            case "/status":
                _head(writer, int(query["is"]), [("content-length", "2")])
                writer.write(b"it")
            case "/headers":
                headers = [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("connection", "x-hop"), ("x-hop", "1")]
                _head(writer, 204, headers)
            case "/big":
                _head(writer, 200, [("content-length", str(len(BIG)))])
                writer.write(BIG)
            case "/promises-much":
                _head(writer, 200, [("content-length", str(1 << 40))])
            case "/endless":
                _head(writer, 200, [("transfer-encoding", "chunked")])
                while True:
                    writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
                    await writer.drain()
            case "/drip":
                _head(writer, 200, [("transfer-encoding", "chunked")])
                writer.write(b"5\r\nfirst\r\n")
                await writer.drain()
                await reader.readexactly(1)  # This waits until the client disconnects.
            case "/crumbs":
                _head(writer, 200, [("transfer-encoding", "chunked")])
                while True:
                    writer.write(b"1\r\na\r\n" * 10_000)
                    await writer.drain()
            case "/interim":
                while True:
                    writer.write(b"HTTP/1.1 103 Early\r\n\r\n" * 1000)
                    await writer.drain()
            case "/cut":
                _head(writer, 200, [("content-length", "99")])
                writer.write(b"short")
                raise ConnectionError
            case "/hang-up":
                raise ConnectionError
            case "/silence":
                await reader.readexactly(1)
            case "/garbage":
                writer.write(b"this is no HTTP\r\n\r\n")
            case _:
                body = msgspec.json.encode({**msgspec.to_builtins(request), "body": request.body.decode("latin-1")})
                _head(writer, 200, [("content-type", "application/json"), ("content-length", str(len(body)))])
                writer.write(body if request.method != "HEAD" else b"")
        await writer.drain()


@asynccontextmanager
async def site_on_loopback(certificate: ssl.SSLContext) -> AsyncIterator[Site]:
    """Serve https on `port` and http on `plain_port`."""
    site = Site()
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: Any = asyncio.current_task()
        connections.add(task)
        try:
            await site.serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            connections.discard(task)

    secure = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate)
    plain = await asyncio.start_server(serve, "127.0.0.1", 0)
    site.port, site.plain_port = (server.sockets[0].getsockname()[1] for server in (secure, plain))
    try:
        yield site
    finally:
        secure.close()
        plain.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


def make_authority(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """Return the file of a new authority, and a server context with its certificate for NAMES."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority for tests")])

    def certificate(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(name).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))

    root = certificate(name, key.public_key()).add_extension(x509.BasicConstraints(True, None), True)
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    root = root.add_extension(usage, True).add_extension(identifier, False)
    authority = directory / "authority.pem"
    authority.write_bytes(root.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    own = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAMES[0])])
    leaf = certificate(subject, own.public_key())
    leaf = leaf.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in NAMES]), False)
    leaf = leaf.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
    chain = directory / "site.pem"
    private = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(private + leaf.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain)
    return authority, tls


async def _read(reader: asyncio.StreamReader) -> Seen | None:
    line = await reader.readline()
    if not line:
        return None
    method, target, _ = line.decode().split(" ")
    headers: dict[str, str] = {}
    while (header := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = header.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, target, headers, body)


def _head(writer: asyncio.StreamWriter, status: int, headers: list[tuple[str, str]]) -> None:
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers), "", ""]
    writer.write("\r\n".join(lines).encode("latin-1"))
