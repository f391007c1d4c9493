"""The authenticator app of an account, and its recovery codes. `pkg/identity/authenticator_apps.py` has the rules."""

from __future__ import annotations

from typing import Final

from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.journal import noted
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.factors import NewTotp, RecoveryCodes, TotpState
from bunbase.contracts.caller import Caller
from bunbase.pkg.identity.authenticator_apps import AuthenticatorApps
from bunbase.pkg.identity.events import Note

PATH: Final = "POST /api/auth/totp"


class Totp:
    def __init__(self, stores: Stores, proofs: Proofs) -> None:
        self.stores = stores
        self.proofs = proofs
        self.apps = AuthenticatorApps(proofs.checks, PATH)

    async def state(self, caller: Caller) -> TotpState:
        return await self.apps.state(with_session(caller, "it cannot see second factors: sign in").id)

    async def start(self, caller: Caller) -> NewTotp:
        """Start to set up an authenticator app. Raises: ReauthenticationRequired, Forbidden."""
        account = await self.stores.accounts.existing((await self.proofs.need_fresh(caller)).id)
        return await self.apps.start(account.id, account.email)

    async def confirm(self, caller: Caller, code: str) -> RecoveryCodes:
        """Turn the second factor on. Raises: TotpNotFound, WrongCode, Forbidden."""
        user = with_session(caller, "it cannot change second factors: sign in").id
        return await self.apps.confirm(user, code, self._noted(caller))

    async def new_codes(self, caller: Caller) -> RecoveryCodes:
        """Make new recovery codes. Raises: ReauthenticationRequired, TotpNotFound, Forbidden."""
        return await self.apps.new_codes((await self.proofs.need_fresh(caller)).id, self._noted(caller))

    async def remove(self, caller: Caller) -> None:
        """Remove the authenticator app. Raises: ReauthenticationRequired, TotpNotFound, Forbidden."""
        await self.apps.remove((await self.proofs.need_fresh(caller)).id, self._noted(caller))

    def _noted(self, caller: Caller) -> Note:
        return noted(self.proofs.tokens.activity, caller)
