"""Publish the keys that sign tokens, and replace them in an emergency."""

from __future__ import annotations

from contextlib import suppress

from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.signing_keys import SigningKeys
from bunbase.contracts.bunauth.tokens import Jwks
from bunbase.contracts.caller import Act, Caller
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("bunauth")


class Signing:
    def __init__(self, keys: SigningKeys, proofs: Proofs) -> None:
        self.keys = keys
        self.proofs = proofs

    async def jwks(self) -> Jwks:
        """Return the public keys.

        The keys are loaded again first, because another process may have just replaced them.
        """
        with suppress(Problem):  # Without the database, the keys in memory can still check tokens.
            await self.keys.load()
        return self.keys.jwks

    async def replace_keys(self, caller: Caller) -> None:
        """Replace all keys at once. Raises: ReauthenticationRequired, Forbidden."""
        caller.administrator(Act.SIGNING_KEY_REPLACE)
        developer = await self.proofs.need_fresh(caller)
        await self.keys.replace_all()
        log.warning("an administrator has replaced all signing keys", account=developer.id)
