"""Links that are sent by mail. Each works once, and the database has only its hash."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from bunbase.pkg.clock import Clock
from bunbase.pkg.identity.store import IdentityStores
from bunbase.pkg.identity.store.mail_tokens import MailToken, NewMailToken
from bunbase.pkg.mail.letters import Letter
from bunbase.pkg.opaque import fingerprint, new_secret


class MailLinks:
    """The links of one pool. `prefix`: the beginning of the tokens. `kind`: a word of the room for what a link does."""

    def __init__(self, stores: IdentityStores, prefix: str, clock: Clock) -> None:
        self.stores = stores
        self.prefix = prefix
        self.clock = clock

    async def post(
        self,
        kind: str,
        email: str,
        user: str | None,
        seconds: int,
        letter: Callable[[str], Letter],
        name: str = "",
    ) -> bool:
        """Make a link and post its mail. Call this inside the transaction of the act. `letter(token)`: the mail.

        Return False if the mail was dropped, because the address gets too many.

        `user`: None if the link opens an account; `name` is then the name of the new account. `seconds`: its lifetime.
        """
        return await self.stores.mails.post(await self.make(kind, email, user, seconds, letter, name))

    async def make(
        self, kind: str, email: str, user: str | None, seconds: int, letter: Callable[[str], Letter], name: str = ""
    ) -> Letter:
        """Make a link and return its mail, for an act that posts several mails at once. Otherwise as `post`."""
        token, expires_at = new_secret(self.prefix), self.clock.now() + timedelta(seconds=seconds)
        await self.stores.mail_tokens.add(NewMailToken(fingerprint(token), kind, user, email, expires_at, name))
        return letter(token)

    async def find(self, token: str, *kinds: str) -> MailToken | None:
        """Return a valid link, which stays valid."""
        return await self.stores.mail_tokens.find(fingerprint(token), kinds, self.clock.now())

    async def take(self, token: str, *kinds: str) -> MailToken | None:
        """Return a valid link and use it up. Call this inside the transaction of the act."""
        return await self.stores.mail_tokens.take(fingerprint(token), kinds, self.clock.now())
