"""End all access that somebody else may have prepared in an account whose address was never verified (pre-hijacking).

The owner may also have set these things up. So the activity gets an entry for each of them, and the owner gets the same
mail as after a manual removal.
"""

from __future__ import annotations

from typing import Final

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.session_tokens import SessionTokens
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.activity import Activity
from bunbase.contracts.caller import Caller
from bunbase.pkg.mail.account_letters import AccountLetters

IDENTITIES: Final = "the sign-in by other services"
TOKENS: Final = "all personal access tokens"


class EarlierAccess:
    def __init__(self, stores: Stores, tokens: SessionTokens, letters: AccountLetters) -> None:
        self.stores = stores
        self.tokens = tokens
        self.letters = letters

    async def end(self, caller: Caller, user: str, email: str) -> tuple[str, ...]:
        """Remove all factors, identities and personal tokens. Return the names of the removed things.

        A pending change of the address also ends, because it would not need the consent of an address that was never
        verified. Call this inside a transaction.
        """
        await self.stores.email_changes.forget(user)
        names = (
            await self._end_factors(caller, user, email),
            IDENTITIES if await self._end_identities(caller, user, email) else "",
            TOKENS if await self._end_tokens(caller, user) else "",
        )
        return tuple(name for name in names if name)

    async def _end_factors(self, caller: Caller, user: str, email: str) -> str:
        """Return the names of the removed factors as text, or "" if there were none."""
        removed = await self.stores.factors.delete_all(user)
        if not removed.any:
            return ""
        await self.tokens.activity.add(caller, user, Happened(Activity.RESET_FACTORS))
        await self.stores.mails.post(self.letters.factor_removed(email, removed.in_words))
        return removed.in_words

    async def _end_identities(self, caller: Caller, user: str, email: str) -> bool:
        providers = [identity.provider for identity in await self.stores.identities.of_account(user)]
        await self.stores.identities.delete_all(user)
        for provider in providers:
            await self.tokens.activity.add(caller, user, Happened(Activity.IDENTITY_DELETE, target=provider))
            await self.stores.mails.post(self.letters.identity_removed(email, provider))
        return bool(providers)

    async def _end_tokens(self, caller: Caller, user: str) -> bool:
        ids = await self.stores.personal_tokens.delete_all(
            user, await self.tokens.revoked_until(self.tokens.clock.now())
        )
        for id in ids:
            await self.tokens.activity.add(caller, user, Happened(Activity.TOKEN_DELETE, target=id))
        return bool(ids)
