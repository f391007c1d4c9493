"""Codes of six digits with which a user signs in.

A code has one million values, so guesses are limited instead of made expensive: five comparisons for each code, five
codes an hour for each address, and only the newest code is valid. A stranger who tries without a pause has a chance of
25 in a million an hour for one address. The code is stored sealed, because everybody could find six digits by their
hash.
"""

from __future__ import annotations

from datetime import timedelta
from hmac import compare_digest
from secrets import randbelow
from typing import Final

from bunbase.pkg.clock import Clock
from bunbase.pkg.identity.holders import Vault
from bunbase.tenant_auth.store.codes import CodeStore, NewCode

DIGITS: Final = 6
CODE_SECONDS: Final = 600
MAX_COMPARED: Final = 5
MAX_MADE: Final = 5  # in an hour for one address; the outbox of mails allows one more of a kind
HOUR: Final = timedelta(hours=1)


class SignInCodes:
    """The codes of one project. `kind`: the way by which a code is sent. `address`: where it is sent to."""

    def __init__(self, store: CodeStore, project: str, vault: Vault, clock: Clock) -> None:
        self.store = store
        self.project = project
        self.vault = vault
        self.clock = clock

    async def make(self, kind: str, address: str) -> str | None:
        """Return a new code, which takes the place of the older one; None if too many were made for the address."""
        code, new = await self.prepared(kind, address)
        return code if await self.keep(new) else None

    async def prepared(self, kind: str, address: str) -> tuple[str, NewCode]:
        """Return a new code, which `keep` stores. BunKMS seals it, so call this outside of a transaction."""
        code, now = f"{randbelow(10**DIGITS):0{DIGITS}d}", self.clock.now()
        sealed = await self.vault.sealed(_purpose(kind, address), code)
        until = now + timedelta(seconds=CODE_SECONDS)
        return code, NewCode(kind, address, sealed, now, until, now - HOUR, MAX_MADE)

    async def keep(self, new: NewCode) -> bool:
        """Store a code in place of the older one. Return False if too many were made for the address."""
        return await self.store.replace(self.project, new)

    async def counted(self, kind: str, name: str) -> bool:
        """Count an act. Return False if there were as many within the hour as an address may get codes."""
        now = self.clock.now()
        return await self.store.replace(self.project, NewCode(kind, name, "", now, now, now - HOUR, MAX_MADE))

    async def is_open(self, kind: str, address: str) -> bool:
        """True if the address has a code that is still valid."""
        return await self.store.newest(self.project, kind, address, self.clock.now(), MAX_COMPARED) is not None

    async def newest(self, kind: str, address: str) -> str | None:
        """Return the code of an address that is still valid, to send it again."""
        sealed = await self.store.newest(self.project, kind, address, self.clock.now(), MAX_COMPARED)
        return None if sealed is None else await self.vault.unsealed(_purpose(kind, address), sealed)

    async def check(self, kind: str, address: str, code: str) -> str | None:
        """Return a name for the code, for `take`, if it is the valid code of the address; else None."""
        given = "".join(code.split())
        if len(given) != DIGITS or not (given.isascii() and given.isdecimal()):
            return None
        sealed = await self.store.compare(self.project, kind, address, self.clock.now(), MAX_COMPARED)
        if sealed is None:
            return None
        right = await self.vault.unsealed(_purpose(kind, address), sealed)
        return sealed if compare_digest(right, given) else None

    async def take(self, kind: str, address: str, name: str) -> bool:
        """Use a code up. Return False if it was used or replaced meanwhile. Call this in the transaction of the act."""
        return await self.store.take(self.project, kind, address, name, self.clock.now())


def _purpose(kind: str, address: str) -> str:
    return f"code:{kind}:{address}"
