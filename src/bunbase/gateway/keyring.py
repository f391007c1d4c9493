"""A cache of the public keys (JWKS) of each signer. If a token has an unknown key id, the keys are fetched again.

Hard place: a set that was requested before its keys were replaced may arrive after the replacement. Before, the old set
stayed in the cache, and the gateway refused all new tokens until the next fetch was allowed. So the gateway does not
store a set that arrives after a `forget`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from bunbase.contracts.bunauth.problems import InvalidToken, TokenExpired
from bunbase.contracts.bunauth.tokens import Jwks
from bunbase.pkg.cache import Cache
from bunbase.pkg.jwt import BadToken, ExpiredToken, UnknownKey, Verifier

TTL_SECONDS: Final = 600.0
REFETCH_SECONDS: Final = 5.0  # The shortest pause between two fetches, because tokens may contain invented key ids.
SIZE: Final = 10_000


class Keyring:
    def __init__(self, fetch: Callable[[str], Awaitable[Jwks]]) -> None:
        self.fetch = fetch
        self.verifiers: Cache[str, tuple[float, Verifier]] = Cache(SIZE, TTL_SECONDS)
        self.forgotten = 0  # This counts how often keys were forgotten.

    async def claims(self, signer: str, token: str) -> dict[str, Any]:
        """Return the claims of a token after checking its signature and expiry.

        Raises: InvalidToken, TokenExpired, Unreachable.
        """
        try:
            try:
                return (await self._verifier(signer)).claims(token)
            except UnknownKey:
                return (await self._verifier(signer, again=True)).claims(token)
        except ExpiredToken:
            raise TokenExpired from None
        except BadToken:
            raise InvalidToken from None

    def forget(self, signer: str) -> None:
        self.forgotten += 1
        self.verifiers.drop(signer)

    def forget_key(self, kid: str) -> None:
        """Forget all sets of keys that contain a key which was replaced."""
        self.forgotten += 1
        self.verifiers.drop_where(lambda known: known[1].knows(kid))

    async def _verifier(self, signer: str, again: bool = False) -> Verifier:
        known = self.verifiers.get(signer)
        if known is not None and not (again and time.monotonic() - known[0] > REFETCH_SECONDS):
            return known[1]
        forgotten = self.forgotten
        verifier = Verifier(list((await self.fetch(signer)).keys))
        if forgotten == self.forgotten:
            self.verifiers.put(signer, (time.monotonic(), verifier))
        return verifier
