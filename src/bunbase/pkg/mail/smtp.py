"""Send one mail to the SMTP server of the settings (RFC 5321), with TLS and a deadline."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiosmtplib

from bunbase.pkg.mail.letters import ClaimedMail
from bunbase.pkg.mail.message import message_of
from bunbase.pkg.mail.settings import MailSettings, Security

QUIT_SECONDS: Final = 2.0
PERMANENT: Final = 500  # Answers from this code on are permanent (RFC 5321 §4.2.1).


class Undelivered(Exception):
    """The mail was not accepted. `permanent`: true if a further attempt would fail too."""

    def __init__(self, reason: str, permanent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class SmtpServer:
    def __init__(self, settings: MailSettings) -> None:
        self.settings = settings
        self.sender = settings.sender_address
        self.tls = None if settings.security is Security.NONE else _tls(settings)

    async def send(self, mail: ClaimedMail) -> None:
        """Send a mail. Raises: Undelivered.

        Only a refusal of the recipient or of the message itself is permanent. A refusal of the sender, of the password
        or of the connection is caused by settings, which the operator can correct.
        """
        try:
            message = message_of(mail, self.sender)
        except Exception as wrong:  # The library fails in many ways, and the message of a failure may quote the mail.
            raise Undelivered(f"The mail cannot be written: {type(wrong).__name__}", permanent=True) from None
        options = () if message.recipient.isascii() else ("SMTPUTF8", "BODY=8BITMIME")  # See RFC 6531 §3.5.
        try:
            async with asyncio.timeout(self.settings.timeout_seconds), self._connected() as client:
                await client.sendmail(message.sender, [message.recipient], message.content, mail_options=options)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            first = refused.recipients[0]
            raise Undelivered(f"{first.code} {first.message}", first.code >= PERMANENT) from None
        except aiosmtplib.SMTPDataError as refused:
            raise Undelivered(f"{refused.code} {refused.message}", refused.code >= PERMANENT) from None
        except aiosmtplib.SMTPNotSupported as refused:
            raise Undelivered(refused.message, permanent=True) from None
        except (aiosmtplib.SMTPException, OSError) as failure:  # A TimeoutError is an OSError.
            raise Undelivered(described(failure, self.settings), permanent=False) from None

    async def check(self) -> None:
        """Connect and sign in, but send nothing. Raises: Undelivered."""
        try:
            async with asyncio.timeout(self.settings.timeout_seconds), self._connected() as client:
                await client.noop()
        except (aiosmtplib.SMTPException, OSError) as failure:
            raise Undelivered(described(failure, self.settings), permanent=False) from None

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiosmtplib.SMTP]:
        settings = self.settings
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port_number,
            username=settings.username or None,
            password=settings.password or None,
            local_hostname=self.sender.domain,  # the default would look up this machine's name in the DNS
            timeout=settings.timeout_seconds,
            use_tls=settings.security is Security.TLS,
            start_tls=settings.security is Security.STARTTLS,
            tls_context=self.tls,
        )
        try:
            await client.connect()
            yield client
            # The mail is accepted, independent of the answer to QUIT.
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=QUIT_SECONDS)
        finally:
            client.close()


def described(failure: Exception, settings: MailSettings) -> str:
    """Return the reason of a failure in one line, for logs and for the row of the mail."""
    match failure:
        case aiosmtplib.SMTPAuthenticationError():
            return f"{settings.server} refused mail.username and mail.password: {failure.code} {failure.message}"
        case aiosmtplib.SMTPResponseException():
            return f"{failure.code} {failure.message}"
        case TimeoutError():
            return f"{settings.server} did not answer within {settings.timeout_seconds:g} s"
        case _:
            return f"{settings.server}: {type(failure).__name__}: {failure}"


def _tls(settings: MailSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.ca_file or None)
