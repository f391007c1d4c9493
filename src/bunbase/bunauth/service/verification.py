"""Check tokens for other rooms and for programs outside of the installation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from bunbase.bunauth.access_tokens import AccessTokens, IsExpected
from bunbase.bunauth.personal_tokens import PREFIX, personal_claims
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.tokens import Verified, is_access_token
from bunbase.pkg.cache import Cache
from bunbase.pkg.clock import Clock
from bunbase.pkg.jwt import BadToken, UnknownKey
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.sessions import DAY_SECONDS

REMEMBERED: Final = 10_000  # At most this many first uses are in memory, so that they are not stored a second time.
# The shortest pause between two look-ups of unknown key ids, because attackers can invent key ids.
RELOAD_SECONDS: Final = 1.0
TOUCH_EVERY: Final = timedelta(minutes=1)  # Writes for a token that is used continuously are at least this far apart.


class Verification:
    def __init__(self, stores: Stores, access: AccessTokens, clock: Clock) -> None:
        self.stores = stores
        self.access = access
        self.clock = clock
        self.reloaded: Cache[bool, bool] = Cache(1, RELOAD_SECONDS)
        self.noted: Cache[tuple[str, int], bool] = Cache(REMEMBERED, DAY_SECONDS)

    async def verify(self, token: str) -> Verified:
        """Check an access token or a personal access token, including its revocation."""
        if token.startswith(f"{PREFIX}_"):
            return await self._verify_personal(token)
        try:
            claims = await self.claims(token)
        except BadToken:
            return Verified(valid=False)
        if not await self.stores.sessions.alive(claims["sid"], self.clock.now()):
            return Verified(valid=False)
        await self.note_use(claims["sid"], claims.get("gen", 0))
        return Verified(valid=True, claims=claims)

    async def claims(self, token: str, is_expected: IsExpected = is_access_token) -> dict[str, Any]:
        """Return the claims. If the key is unknown, load the keys, because another process may have just made it.

        Raises: BadToken.
        """
        try:
            return self.access.claims(token, is_expected)
        except UnknownKey:
            if self.reloaded.get(True) is not None:
                raise
            self.reloaded.put(True, True)
            await self.access.keys.load()
            return self.access.claims(token, is_expected)

    async def note_use(self, session: str, generation: int) -> None:
        """Record the first use of an access token (`pkg/sessions.py`)."""
        use = (session, generation)
        if generation and self.noted.get(use) is None:
            await self.stores.sessions.note_use(session, generation, self.clock.now())
            self.noted.put(use, True)

    async def _verify_personal(self, token: str) -> Verified:
        holder, now = await self.stores.personal_tokens.holder(fingerprint(token)), self.clock.now()
        if holder is None or (holder.expires_at is not None and holder.expires_at <= now):
            return Verified(valid=False)
        if holder.last_used_at is None or now - holder.last_used_at >= TOUCH_EVERY:
            await self.stores.personal_tokens.touch(holder.id, now)
        return Verified(valid=True, claims=personal_claims(holder, self.access.issuer))
