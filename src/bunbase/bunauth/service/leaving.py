"""Delete an account."""

from __future__ import annotations

from typing import Final

from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.service.session_tokens import SessionTokens
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.problems import LastAdministrator
from bunbase.contracts.caller import Caller
from bunbase.pkg.mail.account_letters import AccountLetters

ANOTHER_FIRST: Final = "Make another account an administrator first."


class Leaving:
    def __init__(self, stores: Stores, proofs: Proofs, tokens: SessionTokens, letters: AccountLetters) -> None:
        self.stores = stores
        self.proofs = proofs
        self.tokens = tokens
        self.letters = letters

    async def check(self, caller: Caller) -> None:
        """Check that `delete` would succeed. Raises: the problems of `delete`."""
        developer = await self.proofs.need_fresh(caller)
        if await self.stores.accounts.is_last_admin(developer.id):
            raise LastAdministrator(ANOTHER_FIRST)

    async def delete(self, caller: Caller) -> None:
        """Delete the account, and inform its owner by mail. The sessions and tokens of the account end within a second.

        Raises: ReauthenticationRequired, LastAdministrator, Forbidden.
        """
        developer, now = await self.proofs.need_fresh(caller), self.tokens.clock.now()
        until = await self.tokens.revoked_until(now)
        async with self.stores.db.transaction():
            # All code locks in this order: first the administrators, then the account, then the rest.
            await self.stores.accounts.lock_admins()
            account = await self.stores.accounts.locked(developer.id)
            await self.stores.sessions.end_all(developer.id, now, until)
            await self.stores.personal_tokens.delete_all(developer.id, until)
            if not await self.stores.accounts.delete(developer.id):
                raise LastAdministrator(ANOTHER_FIRST)
            await self.stores.activity.delete_of_account(developer.id)
            if account is not None:
                await self.stores.mails.post(self.letters.account_deleted(account.email))
