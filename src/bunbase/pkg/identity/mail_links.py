"""Links that are sent by mail. Each link works once. The database stores only a hash of it.

Concern: posting a mail locks the mailbox, and using a link locks the link. When a person uses a link, a mail may be
    posted to the same mailbox while a request for another link is answered. These two transactions must not
    deadlock.
Decision: every transaction locks in one order: first the account, then its links and codes, and last the mailbox. So
    before a mail is posted, the links that it replaces are locked and the new link is stored. If the mail is dropped,
    the new link is deleted again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from bunbase.pkg.clock import Clock
from bunbase.pkg.identity.store import MAX_OPEN, IdentityStores
from bunbase.pkg.identity.store.mail_tokens import MailToken, NewMailToken
from bunbase.pkg.mail.letters import Letter
from bunbase.pkg.opaque import fingerprint, new_secret


class MailLinks:
    """The links of one pool. `prefix`: the prefix of the tokens.

    `kind`: the name that the room gives to the effect of a link.
    """

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
        """Make a link and post its mail. Call this inside the transaction of the act. `letter(token)` returns the mail.

        `user`: the account, or None if the link opens an account. In the second case, `name` is the name of the new
        account. `seconds`: the link's lifetime. If the mail is dropped because the address has had too many mails, the
        link is not stored.
        """
        token, until = self._new(seconds)
        new = NewMailToken(fingerprint(token), kind, user, email, until, name)
        oldest = await self._add(new)
        posted = await self.stores.mails.post(letter(token))
        await self.stores.mail_tokens.forget(oldest if posted else [new.hash])

    async def post_only(
        self, kind: str, email: str, seconds: int, letter: Callable[[str], Letter], name: str = ""
    ) -> None:
        """Post a link that opens an account. The link replaces the earlier links of this kind to this address.

        If the mail is dropped, the earlier links stay and are valid for longer, because a person who requests many
        mails must not lock out the owner of the mailbox. Everything else is the same as in `post`.
        """
        token, until = self._new(seconds)
        earlier = await self.stores.mail_tokens.of_address_locked(email, kind)
        new = NewMailToken(fingerprint(token), kind, None, email, until, name)
        await self._add(new)
        if await self.stores.mails.post(letter(token)):
            await self.stores.mail_tokens.forget(earlier)
        else:
            await self.stores.mail_tokens.forget([new.hash])
            await self.stores.mail_tokens.renew(earlier, until)

    async def make(
        self, kind: str, email: str, user: str | None, seconds: int, letter: Callable[[str], Letter], name: str = ""
    ) -> Letter:
        """Make a link and return its mail, for an act that posts several mails at once.

        Everything else is the same as in `post`.
        """
        token, until = self._new(seconds)
        oldest = await self._add(NewMailToken(fingerprint(token), kind, user, email, until, name))
        await self.stores.mail_tokens.forget(oldest)
        return letter(token)

    async def find(self, token: str, *kinds: str) -> MailToken | None:
        """Return a valid link, which stays valid."""
        return await self.stores.mail_tokens.find(fingerprint(token), kinds, self.clock.now())

    async def take(self, token: str, *kinds: str) -> MailToken | None:
        """Return a valid link and use it up. Call this inside the transaction of the act."""
        return await self.stores.mail_tokens.take(fingerprint(token), kinds, self.clock.now())

    def _new(self, seconds: int) -> tuple[str, datetime]:
        return new_secret(self.prefix), self.clock.now() + timedelta(seconds=seconds)

    async def _add(self, new: NewMailToken) -> list[bytes]:
        """Store a link. Lock and return the oldest links of the account that now exceed the limit."""
        tokens = self.stores.mail_tokens
        await tokens.add(new)
        return [] if new.user_id is None else await tokens.oldest_locked(new.user_id, new.kind, MAX_OPEN)
