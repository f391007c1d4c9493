"""Remove all factors of an account whose owner has lost them."""

from __future__ import annotations

import msgspec

from bunbase.bunauth.service.journal import noted
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.service.totp import Totp
from bunbase.contracts.bunauth.administration import AccountNotFound
from bunbase.contracts.caller import Act, Caller


class FactorRemoval:
    def __init__(self, totp: Totp, proofs: Proofs) -> None:
        self.apps = totp.apps
        self.proofs = proofs

    async def remove(self, caller: Caller, id: str) -> None:
        """Remove all factors of an account, and inform its owner by mail. Idempotent.

        Raises: ReauthenticationRequired, AccountNotFound, Forbidden.
        """
        caller.administrator(Act.ACCOUNT_RESET_FACTORS)
        await self.proofs.need_fresh(caller)
        # The owner must not see the IP address and the program of the administrator.
        by = msgspec.structs.replace(caller, ip="", agent="")
        note = noted(self.proofs.tokens.activity, by)
        if "\0" in id or not await self.apps.remove_all_factors(id, note):
            raise AccountNotFound
