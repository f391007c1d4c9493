"""Refuse passwords that attackers try first: common and breached passwords, the address of the account, and sequences.

The length is checked in `passwords.py`. The built-in list of common passwords (`common_passwords.py`) is small. The
operator can also name the list of haveibeenpwned (a file or a server), which is complete and is kept up to date.

    file    the sorted list of SHA-1 hashes, as the haveibeenpwned downloader writes it: `HASH:COUNT` in each line. It
            is searched by bisection in the file, so its size does not matter: 36 reads of 256 bytes in 40 GB.
    server  a URL such as https://api.pwnedpasswords.com/range/. Only the first five digits of the hash are sent, and
            several hundred passwords share them (k-anonymity). If the server does not answer within two seconds, the
            password is accepted, because a broken server must not stop sign-ups.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from bunbase.pkg import metrics
from bunbase.pkg.common_passwords import TAIL, is_common
from bunbase.pkg.errors import CannotStart, InvalidInput
from bunbase.pkg.logger import logger
from bunbase.pkg.outgoing import Outgoing, RequestFailed

HASH_LENGTH: Final = 40
LINE: Final = re.compile(rb"[0-9A-Fa-f]{40}(:[0-9]{1,12})?\r?\n?")
MAX_LINE_BYTES: Final = 128
PREFIX_LENGTH: Final = 5
DEADLINE_SECONDS: Final = 2.0
ROWS: Final = ("01234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm")

log = logger("passwords")


class WeakReason(StrEnum):
    """The reason to refuse a new password."""

    BREACHED = "breached"  # the password was found in a data breach
    COMMON = "common"
    NAME = "name"  # the password is the address of the account, or the name of the service
    SEQUENCE = "sequence"
    USED = "used"  # the password is an earlier password of the account


class WeakPassword(InvalidInput):
    """The new password is too weak. `reason`: a WeakReason."""

    status, code, title = 422, "weak_password", "This password is easy to guess"


class Breached(Protocol):
    """A list of passwords that were found in data breaches."""

    async def contains(self, hash: str) -> bool:
        """True if the list has the password with this SHA-1 hash, in upper-case hexadecimal digits."""
        ...

    async def close(self) -> None: ...


class BreachedFile:
    def __init__(self, path: str) -> None:
        """Open the file. Raises: CannotStart if the file is not a sorted list of SHA-1 hashes."""
        try:
            self.size = Path(path).stat().st_size
            self.file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise CannotStart(f"breached_passwords_file: {path}: {error.strerror}") from None
        lines = [self._line_from(0), self._line_from(max(0, self.size - MAX_LINE_BYTES // 2))]
        if not all(lines) or lines[0] > lines[1]:
            os.close(self.file)
            raise CannotStart(f"breached_passwords_file: {path} is not a sorted list of SHA-1 hashes")

    async def contains(self, hash: str) -> bool:
        return await asyncio.to_thread(self._contains, hash.encode())

    async def close(self) -> None:
        os.close(self.file)

    def _contains(self, hash: bytes) -> bool:
        """Find the first line that is not before the hash. `low` and `high` are offsets of bytes, not of lines."""
        low, high = 0, self.size
        while low < high:
            middle = (low + high) // 2
            found = self._line_from(middle)
            if found and found < hash:
                low = middle + 1
            else:
                high = middle
        return self._line_from(low) == hash

    def _line_from(self, offset: int) -> bytes:
        """Return the hash in the first line that begins at this byte or later; an empty hash if there is none."""
        start = max(0, offset - 1)
        read = os.pread(self.file, 2 * MAX_LINE_BYTES, start)
        if offset:
            _, _, read = read.partition(b"\n")
        line = read.split(b"\n", 1)[0]
        return line[:HASH_LENGTH].upper() if LINE.fullmatch(line) else b""


class BreachedServer:
    """Uses the range API of haveibeenpwned. `url`: the URL to which the first five digits of a hash are appended."""

    def __init__(self, url: str, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        """Check the URL. Raises: CannotStart."""
        host = urlsplit(url).hostname if url.isascii() and url.startswith(("https://", "http://")) else None
        if not host:
            raise CannotStart("breached_passwords_url must be a URL such as https://api.pwnedpasswords.com/range/")
        self.url = url.rstrip("/") + "/"
        self.outgoing = Outgoing([host], deadline_seconds)

    async def contains(self, hash: str) -> bool:
        """True if the server knows the password with this hash. Raises: RequestFailed."""
        start, rest = hash[:PREFIX_LENGTH], hash[PREFIX_LENGTH:]
        answer = await self.outgoing.get(self.url + start, {"add-padding": "true"})
        if answer.status != 200:
            raise RequestFailed(f"the server of breached passwords answered {answer.status}")
        for line in answer.body.decode("ascii", "replace").splitlines():
            ending, _, times = line.partition(":")
            if ending.strip().upper() == rest and times.strip() != "0":  # A count of "0" means padding.
                return True
        return False

    async def close(self) -> None:
        await self.outgoing.close()


def open_breached(file: str, url: str) -> Breached | None:
    """Return the list that the settings name, or None. Raises: CannotStart."""
    if file and url:
        raise CannotStart("set breached_passwords_file or breached_passwords_url, but not both")
    if file:
        return BreachedFile(file)
    return BreachedServer(url) if url else None


@asynccontextmanager
async def opened_breached(file: str, url: str) -> AsyncIterator[Breached | None]:
    """Yield the list that the settings name, or None. Raises: CannotStart."""
    breached = open_breached(file, url)
    try:
        yield breached
    finally:
        if breached is not None:
            await breached.close()


class PasswordRules:
    """The rules for new passwords. `product`: the name of the product, which is refused as a password.

    `breached`: the list of breached passwords, or None.
    """

    def __init__(self, product: str, breached: Breached | None) -> None:
        self.product = product
        self.breached = breached

    async def check(self, password: str, email: str) -> None:
        """Check a new password of the account with this address. Raises: WeakPassword."""
        plain = unicodedata.normalize("NFKC", password)
        names = {email.casefold(), email.partition("@")[0].casefold(), self.product.casefold()}
        text = plain.casefold().strip()
        if text in names or text.rstrip(TAIL) in names:
            raise weak(
                WeakReason.NAME,
                "A password is neither the address of the account nor the name of this service, also not with digits.",
            )
        if is_common(plain):
            raise weak(
                WeakReason.COMMON,
                "This is one of the most common passwords, so attackers try it first. Choose several words.",
            )
        if _is_sequence(plain.casefold()):
            raise weak(
                WeakReason.SEQUENCE,
                "This password is a sequence of neighbouring or equal characters. Choose several words instead.",
            )
        if await self._is_breached(plain):
            raise weak(
                WeakReason.BREACHED,
                "This password was found in a data breach, so attackers try it. Choose another one.",
            )

    async def _is_breached(self, password: str) -> bool:
        if self.breached is None:
            return False
        hash = hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper()
        try:
            found = await self.breached.contains(hash)
        except (RequestFailed, OSError) as error:
            metrics.breached_checks.labels("failed").inc()
            log.warning("the list of breached passwords is not available, so a password was accepted", error=str(error))
            return False
        metrics.breached_checks.labels("breached" if found else "passed").inc()
        return found


def _is_sequence(text: str) -> bool:
    """True if the text is one character again and again, or a part of the alphabet, the digits or a row of keys."""
    return len(set(text)) == 1 or any(text in row or text in row[::-1] for row in ROWS)


def weak(reason: WeakReason, message: str) -> WeakPassword:
    return WeakPassword(message, errors=[{"path": "/password", "message": message}], reason=reason.value)
