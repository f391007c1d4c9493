"""Change the password of an account."""

from __future__ import annotations

from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.service.session_tokens import POOL, SessionTokens
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.accounts import Proof
from bunbase.contracts.caller import Caller
from bunbase.pkg.passwords import Passwords, check_password


class Password:
    def __init__(self, stores: Stores, passwords: Passwords, proofs: Proofs, tokens: SessionTokens) -> None:
        self.stores = stores
        self.passwords = passwords
        self.proofs = proofs
        self.tokens = tokens
        self.clock = tokens.clock

    async def change(self, caller: Caller, password: str, current: str | None) -> None:
        """Set a new password. All other sessions end; the caller's session and personal tokens stay.

        `current`: the current password, which is a proof; None if a proof is fresh.
        Raises: ReauthenticationRequired, WrongProof, InvalidInput, Forbidden.
        """
        check_password(password)
        if current is not None:
            await self.proofs.reauthenticate(caller, Proof(current))
        developer = await self.proofs.need_fresh(caller)
        hash, now = await self.passwords.hash(POOL, password), self.clock.now()
        until = await self.tokens.revoked_until(now)
        async with self.stores.db.transaction():
            await self.stores.accounts.set_password_hash(developer.id, hash)
            await self.stores.sessions.end_all(developer.id, now, until, keep=developer.session)
