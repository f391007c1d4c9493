"""Links that are sent by mail. Each works once, and the database has only its hash."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from bunbase.pkg.clock import Clock
from bunbase.pkg.identity.store import MAX_OPEN, IdentityStores
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
    ) -> None:
        """Make a link and post its mail. Call this inside the transaction of the act. `letter(token)`: the mail.

        `user`: None if the link opens an account; `name` is then the name of the new account. `seconds`: its lifetime.
        A link whose mail is dropped, because the address has had too many, is not stored.
        """
        token, until = self._new(seconds)
        if await self.stores.mails.post(letter(token)):
            await self._add(NewMailToken(fingerprint(token), kind, user, email, until, name))

    async def post_only(
        self, kind: str, email: str, seconds: int, letter: Callable[[str], Letter], name: str = ""
    ) -> None:
        """Post a link that opens an account, in place of the earlier ones of its kind to this address.

        If the mail is dropped, the newest link is valid for longer instead: strangers who ask for many mails must not
        shut the reader of the mailbox out. Otherwise as `post`.
        """
        token, until = self._new(seconds)
        if await self.stores.mails.post(letter(token)):
            await self.stores.mail_tokens.forget_of_address(email, kind)
            await self._add(NewMailToken(fingerprint(token), kind, None, email, until, name))
        else:
            await self.stores.mail_tokens.renew(email, kind, until)

    async def make(
        self, kind: str, email: str, user: str | None, seconds: int, letter: Callable[[str], Letter], name: str = ""
    ) -> Letter:
        """Make a link and return its mail, for an act that posts several mails at once. Otherwise as `post`."""
        token, until = self._new(seconds)
        await self._add(NewMailToken(fingerprint(token), kind, user, email, until, name))
        return letter(token)

    async def find(self, token: str, *kinds: str) -> MailToken | None:
        """Return a valid link, which stays valid."""
        return await self.stores.mail_tokens.find(fingerprint(token), kinds, self.clock.now())

    async def take(self, token: str, *kinds: str) -> MailToken | None:
        """Return a valid link and use it up. Call this inside the transaction of the act."""
        return await self.stores.mail_tokens.take(fingerprint(token), kinds, self.clock.now())

    def _new(self, seconds: int) -> tuple[str, datetime]:
        return new_secret(self.prefix), self.clock.now() + timedelta(seconds=seconds)

    async def _add(self, new: NewMailToken) -> None:
        await self.stores.mail_tokens.add(new, MAX_OPEN)
