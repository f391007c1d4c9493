"""Accounts for administrators of the installation: find them, suspend and resume them, change their roles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bunbase.bunauth.personal_tokens import REMEMBER_SECONDS
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.service.session_tokens import SessionTokens
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.administration import AccountNotFound, AccountRole, ManagedAccount, ManagedAccounts
from bunbase.contracts.caller import Act, Caller, Developer
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.mail.account_letters import AccountLetters
from bunbase.pkg.mail.letters import Letter

NAMES: Final = {AccountRole.ADMIN: "administrator", AccountRole.USER: "user"}  # Mails use these names of roles.
MAX_SEARCH: Final = 254  # A search has at most this many characters, because no email is longer.


class Administration:
    def __init__(self, stores: Stores, proofs: Proofs, tokens: SessionTokens, letters: AccountLetters) -> None:
        self.stores = stores
        self.store = stores.administration
        self.letters = letters
        self.proofs = proofs
        self.tokens = tokens
        self.clock = tokens.clock

    async def accounts(self, caller: Caller, email: str, limit: int, cursor: str | None) -> ManagedAccounts:
        caller.administrator(Act.INSTALLATION_READ)
        beginning = email.strip().lower()[:MAX_SEARCH].replace("\0", "")
        query = f"accounts:{beginning}"
        after = page_start(query, cursor, str, "")
        found = await self.store.page(beginning, after, limit + 1, self.clock.now())
        page, next = cut_page(found, limit, query, lambda account: account.email)
        return ManagedAccounts(tuple(page), next)

    async def account(self, caller: Caller, id: str) -> ManagedAccount:
        caller.administrator(Act.INSTALLATION_READ)
        return await self._existing(id)

    async def suspend(self, caller: Caller, id: str) -> ManagedAccount:
        if (await self._acting(caller, Act.ACCOUNT_SUSPEND)).id == id:
            raise InvalidInput("This is your own account. Another administrator can suspend it.")
        await self._existing(id)
        now = self.clock.now()
        until = await self.tokens.revoked_until(now)
        async with self.stores.db.transaction():
            if await self.store.suspend(id, now, until, now.timestamp() + REMEMBER_SECONDS):
                await self._tell(id, self.letters.account_suspended)
        return await self._existing(id)

    async def resume(self, caller: Caller, id: str) -> ManagedAccount:
        await self._acting(caller, Act.ACCOUNT_RESUME)
        await self._existing(id)
        async with self.stores.db.transaction():
            if await self.store.resume(id):
                await self._tell(id, self.letters.account_resumed)
        return await self._existing(id)

    async def set_role(self, caller: Caller, id: str, role: AccountRole) -> ManagedAccount:
        await self._acting(caller, Act.ACCOUNT_SET_ROLE)
        await self._existing(id)
        now = self.clock.now()
        until = await self.tokens.revoked_until(now)
        async with self.stores.db.transaction():
            if await self.store.set_role(id, role, now, until):
                await self._tell(id, lambda email: self.letters.role_changed(email, NAMES[role]))
        return await self._existing(id)

    async def _acting(self, caller: Caller, act: Act) -> Developer:
        """Return the administrator, who must have reauthenticated recently or use a token with the scope `admin`."""
        developer = caller.administrator(act)
        return await self.proofs.need_fresh(caller) if developer.session else developer

    async def _tell(self, id: str, letter: Callable[[str], Letter]) -> None:
        await self.stores.mails.post(letter((await self._existing(id)).email))

    async def _existing(self, id: str) -> ManagedAccount:
        found = await self.store.account(id, self.clock.now()) if "\0" not in id else None
        if found is None:
            raise AccountNotFound
        return found
