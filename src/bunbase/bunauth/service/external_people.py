"""The accounts of BunAuth, in the form that `pkg/identity/external_people.py` needs."""

from __future__ import annotations

from bunbase.bunauth.service.session_tokens import SessionTokens
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.accounts import Credentials
from bunbase.bunauth.store.mail_tokens import MailKind
from bunbase.pkg.identity.external_people import JoinedAccount


class AccountPeople:
    def __init__(self, stores: Stores, tokens: SessionTokens) -> None:
        self.stores = stores
        self.tokens = tokens
        self.clock = tokens.clock

    async def existing(self, id: str) -> Credentials | None:
        return await self.stores.accounts.credentials_of(id)

    async def with_email(self, email: str) -> JoinedAccount | None:
        known = await self.stores.accounts.credentials(email)
        found = None if known is None else await self.locked(known.id)
        if found is None or found.email != email:  # Another request has changed the address meanwhile.
            return None
        return JoinedAccount(found.id, found.email_verified_at is not None)

    async def of_session(self, session: str) -> str | None:
        found = await self.stores.sessions.open_session(session, self.clock.now())
        return None if found is None else found.user_id

    async def locked(self, id: str) -> Credentials | None:
        return await self.stores.holders.locked(id)

    async def take_over(self, id: str) -> None:
        """End the earlier password, sessions, personal tokens and mail links, and verify the address."""
        now = self.clock.now()
        until = await self.tokens.revoked_until(now)
        await self.stores.accounts.take_over(id, now)
        await self.stores.personal_tokens.delete_all(id, until)
        await self.stores.mail_tokens.forget_of_account(id, *MailKind)
        await self.stores.email_changes.forget(id)
        await self.stores.sessions.end_all(id, now, until)
