"""Recent proofs (reauthentication) that the caller still owns the account.

`pkg/identity/fresh_proofs.py` has the rules.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.journal import counted
from bunbase.bunauth.service.session_tokens import POOL, SessionTokens
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.accounts import Credentials
from bunbase.contracts.bunauth.accounts import Proof
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod
from bunbase.contracts.bunauth.factors import PasskeyOptions
from bunbase.contracts.caller import Caller, Developer
from bunbase.pkg.identity.factor_checks import FactorChecks
from bunbase.pkg.identity.fresh_proofs import FreshProofs
from bunbase.pkg.passwords import Passwords

PATH: Final = "POST /api/auth/reauthenticate"


class AccountPasswords:
    def __init__(self, stores: Stores, passwords: Passwords) -> None:
        self.accounts = stores.accounts
        self.passwords = passwords

    async def has_password(self, user: str) -> bool:
        return await self.accounts.password_hash(user) is not None

    async def is_password(self, user: str, password: str) -> bool:
        return await self.passwords.matches(POOL, password, await self.accounts.password_hash(user))


class Proofs:
    def __init__(
        self, stores: Stores, passwords: Passwords, checks: FactorChecks[Credentials], tokens: SessionTokens
    ) -> None:
        self.stores = stores
        self.checks = checks
        self.tokens = tokens
        self.clock = tokens.clock
        self.fresh = FreshProofs(checks, stores.sessions, AccountPasswords(stores, passwords), PATH)

    async def need_fresh(self, caller: Caller) -> Developer:
        """Return the developer if the session has a recent proof.

        Raises: ReauthenticationRequired, InvalidToken, Forbidden.
        """
        developer = _with_session(caller)
        await self.fresh.need(developer.id, developer.session)
        return developer

    async def reauthenticate(self, caller: Caller, proof: Proof) -> None:
        """Check a proof and store its time. Raises: WrongProof, RateLimited, InvalidToken, Forbidden."""
        developer = _with_session(caller)
        end, activity = partial(self._end_session, caller, developer), self.tokens.activity
        refused = counted(activity, caller, Activity.REAUTHENTICATE, _method(proof))
        await self.fresh.prove(developer.id, developer.session, proof, end, refused)

    async def passkey_options(self, caller: Caller) -> PasskeyOptions:
        """Return the options for a passkey as proof. Raises: PasskeysUnavailable, Forbidden."""
        return await self.fresh.passkey_options(_with_session(caller).id)

    async def _end_session(self, caller: Caller, developer: Developer) -> None:
        now = self.clock.now()
        until = await self.tokens.revoked_until(now)
        ended = Happened(Activity.SESSION_END, ActivityMethod.WRONG_PROOFS, developer.session)
        async with self.stores.db.transaction():
            if await self.stores.sessions.end(developer.id, developer.session, now, until):
                await self.tokens.activity.add(caller, developer.id, ended)


def _method(proof: Proof) -> ActivityMethod:
    if proof.passkey is not None:
        return ActivityMethod.PASSKEY
    return ActivityMethod.TOTP if proof.code else ActivityMethod.PASSWORD


def _with_session(caller: Caller) -> Developer:
    return with_session(caller, "this act needs a session: sign in")
