"""The settings of mail, which all rooms share, and the checks of a start."""

from __future__ import annotations

import re
import ssl
from email.headerregistry import Address
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Final

import msgspec

from bunbase.pkg.addresses import deliverable, email_or_none
from bunbase.pkg.errors import CannotStart

DEV_SENDER: Final = "BunBase <bunbase@localhost>"
SENDER_EXAMPLE: Final = "BunBase <bunbase@example.com>"
FOR: Final = "="  # In mail.sender_domains, this sign is between a domain and the only project that may use the domain.
DOMAIN: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
SENDER: Final = re.compile(r"(?P<name>[^<>]*)<(?P<inner>[^<>]+)>|(?P<bare>[^<>]+)")
QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
QUOTED_PAIR: Final = re.compile(r"\\(.)")
LOCALHOST: Final = "localhost"


class Security(StrEnum):
    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


PORTS: Final = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}

Limit = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class MailSettings(msgspec.Struct, frozen=True):
    """How BunBase sends mail. Every room that sends mail uses these settings.

    `host`: the SMTP server. If empty, no mail is sent: [mail](../mail.md#without-a-server).
    `port`: the port of the SMTP server; 0 takes the usual port: 587 for `starttls`, 465 for `tls`, 25 for `none`.
    `security`: `starttls` begins in plain text and then requires TLS; `tls` uses TLS from the start; `none` uses no
    TLS.
    `username`: the name for signing in to the SMTP server. If empty, BunBase does not sign in.
    `password`: the password for signing in to the SMTP server.
    `ca_file`: a file with the certificates of the authorities that may sign the server's certificate. If empty, the
    authorities of the operating system may sign it.
    `sender`: the address from which mails are sent, with a name: `BunBase <bunbase@example.com>`.
    `sender_domains`: the domains from which projects may send mail to their users, such as `bakery.example`. With
    `bakery.example=prj_…`, only that project may use the domain: [mail](../mail.md#senders-of-projects).
    `timeout_seconds`: the deadline of one attempt to send a mail, from the connection to the server's last answer.
    `max_per_address`: the number of mails that an address may get in an hour from one service; notices are counted
    separately. One project sends at most half of these mails: [mail](../mail.md#limits).
    `max_of_a_kind`: the number of mails of one kind, such as sign-in codes, that an address may get in an hour from one
    project.
    """

    host: str = ""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    security: Security = Security.STARTTLS
    username: str = ""
    password: str = ""
    ca_file: str = ""
    sender: str = ""
    sender_domains: tuple[str, ...] = ()
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0
    max_per_address: Limit = 30
    max_of_a_kind: Limit = 6

    @property
    def configured(self) -> bool:
        return bool(self.host)

    @property
    def server(self) -> str:
        """Return the host and the port of the SMTP server."""
        return f"{self.host}:{self.port_number}"

    @property
    def port_number(self) -> int:
        return self.port or PORTS[self.security]

    @property
    def sender_address(self) -> Address:
        """Return the sender. Raises: ValueError."""
        return read_sender(self.sender or DEV_SENDER)


def check_mail(settings: MailSettings) -> None:
    """Refuse settings with which no mail could be sent, or with which other people could read the password.

    Raises: CannotStart.
    """
    for entry in settings.sender_domains:
        if not is_sender_domain(entry):
            raise CannotStart(
                f"mail.sender_domains: {entry!r} must be a domain such as example.com, or example.com=prj_…"
            )
    if not settings.host:
        given = [name for name in ("username", "password", "sender", "ca_file") if getattr(settings, name)]
        if given:
            raise CannotStart(f"mail.{given[0]} is set, but mail.host is not: name the SMTP server too")
        return
    if not settings.host.isprintable() or any(character in settings.host for character in " /@"):
        raise CannotStart("mail.host must be a host name or an IP address; the port belongs to mail.port")
    _check_sender(settings.sender)
    if bool(settings.username) != bool(settings.password):
        raise CannotStart("mail.username and mail.password belong together: set both or neither")
    if settings.security is Security.NONE and settings.password and not is_loopback(settings.host):
        raise CannotStart(
            f"mail.security = none would send the password to {settings.host} where others can read it: "
            "use starttls or tls"
        )
    if settings.ca_file:
        _check_certificates(settings.ca_file)


def read_sender(text: str) -> Address:
    """Return the sender `Name <address>` or `address`. Raises: ValueError for any other text."""
    if not text.isprintable():
        raise ValueError("a sender has no control characters")
    found = SENDER.fullmatch(text.strip())
    normal = email_or_none(found["inner"] or found["bare"] or "") if found else None
    if found is None or normal is None or not deliverable(normal).isascii():
        raise ValueError("not an address")
    return Address(_unquoted((found["name"] or "").strip()), addr_spec=deliverable(normal))


def _unquoted(name: str) -> str:
    quoted = QUOTED.fullmatch(name)
    return QUOTED_PAIR.sub(r"\1", quoted[1]) if quoted else name


def is_sender_domain(entry: str) -> bool:
    """True for an entry of mail.sender_domains: a domain, or a domain and a project, as in `a.example=prj_…`."""
    domain, found, project = entry.partition(FOR)
    return DOMAIN.fullmatch(domain) is not None and bool(project) == bool(found)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return host.lower() == LOCALHOST or host.lower().endswith(f".{LOCALHOST}")


def _check_certificates(file: str) -> None:
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:  # An ssl.SSLError is an OSError.
        raise CannotStart(f"mail.ca_file: {file} holds no certificates in PEM form: {error.strerror}") from None


def _check_sender(sender: str) -> None:
    if not sender:
        raise CannotStart(f"mail.host is set, but mail.sender is not: for example mail.sender = {SENDER_EXAMPLE}")
    try:
        read_sender(sender)
    except ValueError:
        raise CannotStart(f"mail.sender must look like this, with an ASCII address: {SENDER_EXAMPLE}") from None
