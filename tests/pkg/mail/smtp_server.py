"""A real SMTP server on loopback. A test chooses its answers."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bunbase.pkg.mail.settings import MailSettings

USERNAME, PASSWORD = "bunbase", "the password of the mail account"
SENDER = "BunBase <bunbase@example.com>"
OK = "250 OK"


class SmtpStub:
    """`to_sender`, `to_recipient`, `to_data`: the answers to MAIL, RCPT and DATA, used up from the front, then 250.

    `received`: the accepted messages. `hangs`: true to answer nothing to DATA. `dies`: true to accept the message, but
    close the connection instead of an answer. `signs_in`: true if a client must send USERNAME and PASSWORD. `unicode`:
    true if addresses may be in Unicode (RFC 6531).
    """

    def __init__(
        self, tls: ssl.SSLContext | None = None, implicit: bool = False, signs_in: bool = False, unicode: bool = False
    ) -> None:
        self.tls = tls
        self.implicit = implicit
        self.signs_in = signs_in
        self.unicode = unicode
        self.to_sender: list[str] = []
        self.to_recipient: list[str] = []
        self.to_data: list[str] = []
        self.received: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.hangs = False
        self.dies = False
        self.encrypted: list[bool] = []
        self.port = 0
        self._released = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SmtpStub]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._protocol, "127.0.0.1", 0, ssl=self.tls if self.implicit else None)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._released.set()
            server.close()

    def settings(self, **others: Any) -> MailSettings:
        signed = {"username": USERNAME, "password": PASSWORD} if self.signs_in else {}
        chosen = {"host": "127.0.0.1", "port": self.port, "security": "none", "sender": SENDER, **signed, **others}
        return msgspec.convert(chosen, MailSettings)

    def environment(self) -> dict[str, str]:
        """Return the settings as variables of the environment."""
        known = msgspec.to_builtins(self.settings())
        return {f"BUNBASE_MAIL__{name.upper()}": str(value) for name, value in known.items() if value}

    def message_ids(self) -> list[str]:
        return [str(message["Message-ID"]) for message in self.received]

    async def handle_MAIL(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _o: Any) -> str:
        answer = _next(self.to_sender)
        if answer == OK:
            envelope.mail_from = address
        return answer

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _o: Any) -> str:
        answer = _next(self.to_recipient)
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.hangs:
            await self._released.wait()
        answer = _next(self.to_data)
        if answer == OK:
            assert isinstance(envelope.content, bytes)
            message = message_from_bytes(envelope.content, policy=policy.default)
            self.received.append(message)
            self.recipients += envelope.rcpt_tos
            self.encrypted.append(session.ssl is not None or self.implicit)
        if self.dies:
            self.dies = False
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return answer

    def _protocol(self) -> SMTP:
        starttls = self.tls if not self.implicit else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The library does not see TLS that starts before SMTP.
            return SMTP(
                self,
                hostname="mail.test",
                enable_SMTPUTF8=self.unicode,
                tls_context=starttls,
                require_starttls=starttls is not None,
                auth_required=self.signs_in,
                auth_require_tls=False,
                authenticator=_authenticate,
                loop=asyncio.get_running_loop(),
            )


@contextmanager
def running_in_thread(stub: SmtpStub) -> Iterator[SmtpStub]:
    """Run the server in a thread, for tests that have no event loop."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop: list[Callable[[], object]] = []

    async def serve() -> None:
        stopped = asyncio.Event()
        stop.append(stopped.set)
        async with stub.running():
            ready.set()
            await stopped.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield stub
    finally:
        loop.call_soon_threadsafe(stop[0])
        thread.join(10)
        loop.close()


def certificate(folder: Path, host: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """Return the TLS context of a server with a new certificate, and the file of that certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "mail.pem", folder / "mail.key"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    return context, chain


def _next(answers: list[str]) -> str:
    return answers.pop(0) if answers else OK


def _authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    right = (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)  # With `handled=False`, the library answers 535.
