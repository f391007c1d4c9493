"""Codes of six digits with which a user signs in.

A code has one million possible values. So the number of guesses is limited, instead of making each guess expensive. For
each code, BunBase allows five comparisons from one network, and 50 from all networks. For each address, it makes at
most five codes an hour, and only the newest code is valid. An attacker who tries continuously has a chance of 25 in a
million per hour for one address, and of 250 in a million with ten or more networks. The code is stored sealed, because
anybody could compute six digits from their hash.

No limit locks out the owner (decision 0066). The guesses of an attacker count only for the attacker's network. A
network from which the owner has signed in has five comparisons that nobody else can use up. After five codes in an
hour, the newest code is renewed, so each further request makes the newest message valid again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from hmac import compare_digest
from secrets import randbelow
from typing import Final

import msgspec

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.pkg.clock import Clock
from bunbase.pkg.identity.holders import Vault
from bunbase.pkg.ip_addresses import neighbourhood
from bunbase.tenant_auth.store.codes import CodeStore, MostGuesses, NewCode

DIGITS: Final = 6
CODE_SECONDS: Final = 600
MAX_COMPARED: Final = 5  # At most this many comparisons from one network are allowed.
MAX_OF_ALL: Final = 50  # At most this many comparisons from all networks are allowed.
# One address gets at most this many codes in an hour. The outbox of mails allows one more mail of a kind.
MAX_MADE: Final = 5
HOUR: Final = timedelta(hours=1)

Knows = Callable[[str, str], Awaitable[bool]]


class Guesser(msgspec.Struct, frozen=True):
    """The party that submits a code.

    `network`: empty for a server with a secret key, which signs in many users. For such a server, only the limit of all
    networks applies.
    `ip`: empty if the party gets no additional comparisons because of its IP address.
    """

    network: str
    ip: str = ""


def guesser(caller: Caller) -> Guesser:
    return Guesser("") if caller.kind is CallerKind.SECRET else Guesser(neighbourhood(caller.ip), caller.ip)


class SignInCodes:
    """The codes of one project. `kind`: the way in which a code is sent. `address`: the destination of the code.

    `knows`: a function that returns True if the owner of an address or number has signed in from the network of an IP
    address.
    """

    def __init__(self, store: CodeStore, project: str, vault: Vault, clock: Clock, knows: Knows) -> None:
        self.store = store
        self.knows = knows
        self.project = project
        self.vault = vault
        self.clock = clock

    async def may_make(self, kind: str, address: str) -> bool:
        """True if the address may get another new code within this hour."""
        return await self.store.made(self.project, kind, address, self.clock.now() - HOUR) < MAX_MADE

    async def prepared(self, kind: str, address: str) -> tuple[str, NewCode]:
        """Return a new code, which `keep` stores. BunKMS seals it, so call this outside of a transaction."""
        code, now = f"{randbelow(10**DIGITS):0{DIGITS}d}", self.clock.now()
        sealed = await self.vault.sealed(_purpose(kind, address), code)
        until = now + timedelta(seconds=CODE_SECONDS)
        return code, NewCode(kind, address, sealed, now, until, now - HOUR, MAX_MADE)

    async def lock(self, kind: str, address: str) -> None:
        """Lock the code that `keep` may replace. Call this before a message is posted; `MailLinks` explains why."""
        await self.store.lock(self.project, kind, address)

    async def keep(self, new: NewCode) -> bool:
        """Store a code, which replaces the older code. Return False if too many codes were made for the address."""
        return await self.store.replace(self.project, new)

    async def counted(self, kind: str, name: str) -> bool:
        """Count an action. Return False if its number within the hour has reached the limit of codes for an address."""
        now = self.clock.now()
        return await self.store.replace(self.project, NewCode(kind, name, "", now, now, now - HOUR, MAX_MADE))

    async def newest(self, kind: str, address: str) -> tuple[str, str] | None:
        """Return the newest code of an address, and its name for `renew`. Return None if the code was used.

        BunKMS unseals the code, so call this outside of a transaction.
        """
        sealed = await self.store.newest(self.project, kind, address)
        return None if sealed is None else (await self.vault.unsealed(_purpose(kind, address), sealed), sealed)

    async def renew(self, kind: str, address: str) -> str | None:
        """Make the newest code of an address valid for another ten minutes, and return its name.

        Return None if it was used.
        """
        until = self.clock.now() + timedelta(seconds=CODE_SECONDS)
        return await self.store.renew(self.project, kind, address, until)

    async def check(self, kind: str, address: str, code: str, by: Guesser) -> str | None:
        """Return a name of the code for `take` if the code is the valid code of the address; otherwise return None."""
        given = "".join(code.split())
        if len(given) != DIGITS or not (given.isascii() and given.isdecimal()):
            return None
        sealed = await self._compare(kind, address, by)
        if sealed is None:
            return None
        right = await self.vault.unsealed(_purpose(kind, address), sealed)
        return sealed if compare_digest(right, given) else None

    async def _compare(self, kind: str, address: str, by: Guesser) -> str | None:
        most = MostGuesses(by.network, MAX_COMPARED if by.network else MAX_OF_ALL, MAX_OF_ALL)
        sealed = await self.store.compare(self.project, kind, address, self.clock.now(), most)
        if sealed is not None or not by.ip or not await self.knows(address, by.ip):
            return sealed
        own = MostGuesses(by.network, MAX_COMPARED, None)
        return await self.store.compare(self.project, kind, address, self.clock.now(), own)

    async def take(self, kind: str, address: str, name: str) -> bool:
        """Use up a code. Return False if it was used or replaced meanwhile.

        Call this in the transaction of the action.
        """
        return await self.store.take(self.project, kind, address, name, self.clock.now())


def _purpose(kind: str, address: str) -> str:
    return f"code:{kind}:{address}"
