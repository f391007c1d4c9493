"""Recent proofs. A dangerous act needs a proof from the last ten minutes that the caller still owns the account.

An access token alone is not such a proof, because a thief may have copied it, or found an open laptop. A sign-in
counts as a proof. Later, one factor is enough even if the account has two, because a thief of a session has no factor.
Wrong proofs are counted in the session, and too many end it, so a thief cannot guess.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Generic, Protocol

from bunbase.pkg.errors import RateLimited
from bunbase.pkg.identity.events import Refused, no_refusal
from bunbase.pkg.identity.factor_checks import FactorChecks
from bunbase.pkg.identity.factors import PasskeyOptions, Proof
from bunbase.pkg.identity.holders import H
from bunbase.pkg.identity.problems import InvalidToken, ReauthenticationRequired, WrongProof
from bunbase.pkg.identity.store.passkeys import PasskeyAct

FRESH_FOR: Final = timedelta(minutes=10)
MAX_FAILED: Final = 10


class ProvedSession(Protocol):
    """An open session. `proved_at`: the time of the last proof in the session; None if there was no proof."""

    @property
    def proved_at(self) -> datetime | None: ...


class ProvedSessions(Protocol):
    """The sessions of one pool."""

    async def open_session(self, id: str, now: datetime) -> ProvedSession | None: ...

    async def prove(self, id: str, now: datetime) -> None:
        """Store the time of a proof, and forget the failed proofs."""
        ...

    async def fail_proof(self, id: str) -> int:
        """Count a failed proof. Return the number of failed proofs since the last successful proof."""
        ...


class PasswordHolders(Protocol):
    """The passwords of one pool."""

    async def has_password(self, user: str) -> bool: ...

    async def is_password(self, user: str, password: str) -> bool:
        """True if the account has this password. Raises: SignInBusy."""
        ...


class FreshProofs(Generic[H]):
    """The proofs of one pool. `path`: the route to which people send a proof, for messages."""

    def __init__(
        self, checks: FactorChecks[H], sessions: ProvedSessions, passwords: PasswordHolders, path: str
    ) -> None:
        self.checks = checks
        self.stores = checks.stores
        self.sessions = sessions
        self.passwords = passwords
        self.path = path
        self.clock = checks.clock

    async def need(self, user: str, session: str) -> None:
        """Check that the last proof is recent.

        Raises: ReauthenticationRequired; InvalidToken if the session has ended.
        """
        now = self.clock.now()
        found = await self.sessions.open_session(session, now)
        if found is None:
            raise InvalidToken
        if found.proved_at is None or now - found.proved_at >= FRESH_FOR:
            raise ReauthenticationRequired(
                f"Prove that this account is yours: {self.path}, and then repeat this request.",
                methods=await self.methods(user),
            )

    async def prove(
        self,
        user: str,
        session: str,
        proof: Proof,
        end_session: Callable[[], Awaitable[None]],
        refused: Refused = no_refusal,
    ) -> None:
        """Check a proof and store its time. `end_session()` is called after too many wrong proofs.

        Raises: WrongProof, RateLimited.
        """
        if not await self._is_right(user, proof):
            refused(user)
            left = MAX_FAILED - await self.sessions.fail_proof(session)
            if left > 0:
                raise WrongProof(f"This proof is wrong. After {left} more wrong proofs, the session ends.")
            await end_session()
            raise WrongProof("This proof is wrong, and so were the last ones: the session has ended. Sign in again.")
        await self.sessions.prove(session, self.clock.now())

    async def passkey_options(self, user: str) -> PasskeyOptions:
        """Return the options for a passkey as proof. Raises: PasskeysUnavailable."""
        return await self.checks.passkey_options(user, PasskeyAct.PROOF)

    async def methods(self, user: str) -> list[str]:
        """Return the kinds of proof that the account can send.

        "sign_in" means to sign in by another service once more.
        """
        factors = await self.stores.factors.counts(user)
        kinds = {
            "password": await self.passwords.has_password(user),
            "code": factors.totp,
            "passkey": factors.passkeys,
            "sign_in": await self.stores.identities.of_account(user),
        }
        return [kind for kind, usable in kinds.items() if usable]

    async def _is_right(self, user: str, proof: Proof) -> bool:
        if proof.passkey is None and not proof.code:
            return await self.passwords.is_password(user, proof.password)
        secret = await self.checks.totp_secret(user)
        async with self.stores.db.transaction():
            await self.checks.holders.locked(user)
            if proof.passkey is not None:
                wrong = await self.checks.passkey(user, proof.passkey, PasskeyAct.PROOF)
            else:
                wrong = await self.checks.totp(user, secret, proof.code)
        if isinstance(wrong, RateLimited):
            raise wrong
        return wrong is None
