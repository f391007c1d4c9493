"""Remove all factors of an account whose owner has lost them."""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.letters import Letters
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.activity import Activity
from bunbase.contracts.bunauth.administration import AccountNotFound
from bunbase.contracts.caller import Act, Caller

ALL: Final = "the authenticator app, the recovery codes and all passkeys"


class FactorRemoval:
    def __init__(self, stores: Stores, proofs: Proofs, letters: Letters) -> None:
        self.stores = stores
        self.proofs = proofs
        self.letters = letters

    async def remove(self, caller: Caller, id: str) -> None:
        """Remove all factors of an account, and tell its owner. Idempotent.

        Raises: ReauthenticationRequired, AccountNotFound, Forbidden.
        """
        caller.administrator(Act.ACCOUNT_RESET_FACTORS)
        await self.proofs.need_fresh(caller)
        async with self.stores.db.transaction():
            account = await self.stores.factors.locked_account(id) if "\0" not in id else None
            if account is None:
                raise AccountNotFound
            if await self.stores.factors.delete_all(id):
                by = msgspec.structs.replace(caller, ip="", agent="")  # the owner does not see the administrator's
                await self.proofs.tokens.activity.add(by, id, Happened(Activity.RESET_FACTORS))
                await self.stores.mails.post(self.letters.factor_removed(account.email, ALL))
