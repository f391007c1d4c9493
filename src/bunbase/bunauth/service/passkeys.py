"""The passkeys of an account. `pkg/identity/account_passkeys.py` has the rules."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.journal import counted, noted
from bunbase.bunauth.service.names import checked_name
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.service.session_tokens import Factors, SessionTokens, signed_in_by
from bunbase.bunauth.service.ways_in import need_way_in
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod
from bunbase.contracts.bunauth.factors import Passkey, PasskeyOptions, Passkeys
from bunbase.contracts.caller import Caller
from bunbase.pkg.identity.account_passkeys import AccountPasskeys
from bunbase.pkg.passkeys import PasskeyUser

UNNAMED: Final = "Passkey"


class PasskeyService:
    def __init__(self, stores: Stores, proofs: Proofs, tokens: SessionTokens) -> None:
        self.stores = stores
        self.proofs = proofs
        self.tokens = tokens
        self.passkeys = AccountPasskeys(proofs.checks, partial(need_way_in, stores))

    async def registration_options(self, caller: Caller) -> PasskeyOptions:
        """Return the options for a new passkey.

        Raises: ReauthenticationRequired, PasskeysUnavailable, InvalidInput, Forbidden.
        """
        account = await self.stores.accounts.existing((await self.proofs.need_fresh(caller)).id)
        user = PasskeyUser(account.id, account.email, account.name or account.email)
        return await self.passkeys.registration_options(user)

    async def register(self, caller: Caller, credential: dict[str, Any], name: str) -> Passkey:
        """Store a new passkey. Raises: WrongPasskey, PasskeysUnavailable, InvalidInput, Forbidden."""
        name, note = checked_name(name) or UNNAMED, noted(self.tokens.activity, caller)
        return await self.passkeys.register(_user(caller), credential, name, note)

    async def list(self, caller: Caller) -> Passkeys:
        return await self.passkeys.list(_user(caller))

    async def rename(self, caller: Caller, id: str, name: str) -> None:
        """Rename a passkey. Raises: PasskeyNotFound, InvalidInput, Forbidden."""
        await self.passkeys.rename(_user(caller), id, checked_name(name) or UNNAMED)

    async def delete(self, caller: Caller, id: str) -> None:
        """Delete a passkey. Raises: ReauthenticationRequired, PasskeyNotFound, LastSignInMethod, Forbidden."""
        user = (await self.proofs.need_fresh(caller)).id
        await self.passkeys.delete(user, id, noted(self.tokens.activity, caller))

    async def sign_in_options(self) -> PasskeyOptions:
        """Return the options for a sign-in. Raises: PasskeysUnavailable."""
        return await self.passkeys.sign_in_options()

    async def sign_in(self, caller: Caller, credential: dict[str, Any]) -> SignedIn:
        """Open a session. Raises: WrongPasskey, PasskeysUnavailable, AccountSuspended."""
        by = signed_in_by(ActivityMethod.PASSKEY)
        open = partial(self.tokens.open_session, caller, factors=Factors.TWO, by=by)
        refused = counted(self.tokens.activity, caller, Activity.SIGN_IN, ActivityMethod.PASSKEY)
        return await self.passkeys.sign_in(credential, open, refused)


def _user(caller: Caller) -> str:
    return with_session(caller, "it cannot see or change passkeys: sign in").id
