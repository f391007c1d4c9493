"""Fresh proofs. A dangerous act needs a proof of the last ten minutes that the caller still owns the account.

An access token alone is no such proof: a thief may have copied it, or found an open laptop. A sign-in counts as a
proof. Later, one factor is enough even if the account has two, because the thief of a session has none of them. Wrong
proofs are counted in the session, and too many end it, so a thief cannot guess.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.factor_checks import FactorChecks
from bunbase.bunauth.service.session_tokens import POOL, SessionTokens
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.passkeys import PasskeyAct
from bunbase.contracts.bunauth.accounts import Proof
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod
from bunbase.contracts.bunauth.factors import PasskeyOptions
from bunbase.contracts.bunauth.problems import InvalidToken, ReauthenticationRequired, WrongProof
from bunbase.contracts.caller import Caller, Developer
from bunbase.pkg.errors import RateLimited
from bunbase.pkg.passwords import Passwords

FRESH_FOR: Final = timedelta(minutes=10)
MAX_FAILED: Final = 10


class Proofs:
    def __init__(self, stores: Stores, passwords: Passwords, checks: FactorChecks, tokens: SessionTokens) -> None:
        self.stores = stores
        self.passwords = passwords
        self.checks = checks
        self.tokens = tokens
        self.clock = tokens.clock

    async def need_fresh(self, caller: Caller) -> Developer:
        """Return the developer if a proof is fresh. Raises: ReauthenticationRequired, InvalidToken, Forbidden."""
        developer, now = _with_session(caller), self.clock.now()
        session = await self.stores.sessions.open_session(developer.session, now)
        if session is None:
            raise InvalidToken
        if session.proved_at is None or now - session.proved_at >= FRESH_FOR:
            raise ReauthenticationRequired(
                "Prove that this account is yours: POST /api/auth/reauthenticate, and then repeat this request.",
                methods=await self._methods(developer.id),
            )
        return developer

    async def reauthenticate(self, caller: Caller, proof: Proof) -> None:
        """Check a proof and store its time. Raises: WrongProof, RateLimited, InvalidToken, Forbidden."""
        developer = _with_session(caller)
        if not await self._is_right(developer.id, proof):
            await self._fail(caller, developer, proof)
        await self.stores.sessions.prove(developer.session, self.clock.now())

    async def passkey_options(self, caller: Caller) -> PasskeyOptions:
        """Return the options for a passkey as proof. Raises: PasskeysUnavailable, Forbidden."""
        return await self.checks.passkey_options(_with_session(caller).id, PasskeyAct.PROOF)

    async def _is_right(self, user: str, proof: Proof) -> bool:
        if proof.passkey is None and not proof.code:
            hash = await self.stores.accounts.password_hash(user)
            return await self.passwords.matches(POOL, proof.password, hash)
        secret = await self.checks.totp_secret(user)
        async with self.stores.db.transaction():
            await self.stores.factors.locked_account(user)
            if proof.passkey is not None:
                wrong = await self.checks.passkey(user, proof.passkey, PasskeyAct.PROOF)
            else:
                wrong = await self.checks.totp(user, secret, proof.code)
        if isinstance(wrong, RateLimited):
            raise wrong
        return wrong is None

    async def _fail(self, caller: Caller, developer: Developer, proof: Proof) -> None:
        """Count a wrong proof. Raises: WrongProof always; the session ends with the last attempt."""
        self.tokens.activity.note_refused(caller, developer.id, Activity.REAUTHENTICATE, _method(proof))
        left = MAX_FAILED - await self.stores.sessions.fail_proof(developer.session)
        if left > 0:
            raise WrongProof(f"This proof is wrong. After {left} more wrong proofs, the session ends.")
        now = self.clock.now()
        until = await self.tokens.revoked_until(now)
        ended = Happened(Activity.SESSION_END, ActivityMethod.WRONG_PROOFS, developer.session)
        async with self.stores.db.transaction():
            if await self.stores.sessions.end(developer.id, developer.session, now, until):
                await self.tokens.activity.add(caller, developer.id, ended)
        raise WrongProof("This proof is wrong, and so were the last ones: the session has ended. Sign in again.")

    async def _methods(self, user: str) -> list[str]:
        """Return the kinds of proof that the account can send. "sign_in": sign in again, by another service."""
        factors = await self.stores.factors.counts(user)
        kinds = {
            "password": await self.stores.accounts.password_hash(user),
            "code": factors.totp,
            "passkey": factors.passkeys,
            "sign_in": await self.stores.identities.of_account(user),
        }
        return [kind for kind, usable in kinds.items() if usable]


def _method(proof: Proof) -> ActivityMethod:
    if proof.passkey is not None:
        return ActivityMethod.PASSKEY
    return ActivityMethod.TOTP if proof.code else ActivityMethod.PASSWORD


def _with_session(caller: Caller) -> Developer:
    return with_session(caller, "this act needs a session: sign in")
