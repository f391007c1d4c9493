"""Fresh proofs. A dangerous act needs a proof of the last ten minutes that the caller still owns the account.

An access token alone is no such proof: a thief may have copied it, or found an open laptop. A sign-in counts as a
proof. Wrong proofs are counted in the session, and too many end it, so a thief cannot guess.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.session_tokens import POOL, SessionTokens
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.accounts import Proof
from bunbase.contracts.bunauth.problems import InvalidToken, ReauthenticationRequired, WrongProof
from bunbase.contracts.caller import Caller, Developer
from bunbase.pkg.passwords import Passwords

FRESH_FOR: Final = timedelta(minutes=10)
MAX_FAILED: Final = 10


class Proofs:
    def __init__(self, stores: Stores, passwords: Passwords, tokens: SessionTokens) -> None:
        self.stores = stores
        self.passwords = passwords
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
        """Check a proof and store its time. Raises: WrongProof, InvalidToken, Forbidden."""
        developer = _with_session(caller)
        hash = await self.stores.accounts.password_hash(developer.id)
        if not await self.passwords.matches(POOL, proof.password, hash):
            await self._fail(developer)
        await self.stores.sessions.prove(developer.session, self.clock.now())

    async def _fail(self, developer: Developer) -> None:
        """Count a wrong proof. Raises: WrongProof always; the session ends with the last attempt."""
        left = MAX_FAILED - await self.stores.sessions.fail_proof(developer.session)
        if left > 0:
            raise WrongProof(f"This proof is wrong. After {left} more wrong proofs, the session ends.")
        now = self.clock.now()
        until = await self.tokens.revoked_until(now)
        await self.stores.sessions.end(developer.id, developer.session, now, until)
        raise WrongProof("This proof is wrong, and so were the last ones: the session has ended. Sign in again.")

    async def _methods(self, user: str) -> list[str]:
        """Return the kinds of proof that the account can send. "sign_in": sign in again, by another service."""
        methods = ["password"] if await self.stores.accounts.password_hash(user) else []
        return [*methods, "sign_in"] if await self.stores.identities.of_account(user) else methods


def _with_session(caller: Caller) -> Developer:
    return with_session(caller, "this act needs a session: sign in")
