"""Service tokens: by these a room of one process proves its identity to a room of another process.

The calling room signs a short JWT with its own key: `sub` is the calling room, `aud` the called room. The called
process finds the public key by `kid`, and then checks what that room may call (`pkg/rpc/admission.py`). A token lives
for five minutes and may be used many times, but only the room in `aud` accepts it. See docs/decisions/0037-rooms-
trust-rooms-by-name.md.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError

from bunbase.pkg.errors import CannotStart, Unauthenticated
from bunbase.pkg.rpc.room_keys import PublicKey, RoomKeys

ALGORITHM: Final = "Ed25519"
LIFETIME_SECONDS: Final = 300
RENEW_SECONDS: Final = 60  # a token is replaced this long before its end, so that no token expires on its way
SKEW_SECONDS: Final = 60  # allowed difference between the clocks of two machines
MAX_LENGTH: Final = 1024
MAX_REMEMBERED: Final = 1000  # checked tokens; a calling room has one token for each called room


@dataclass(frozen=True)
class Passport:
    """The content of a checked token.

    `room`: the room that calls, or that vouches for `client`; `client`: a program outside; `audience`: the called room.
    """

    room: str
    audience: str
    client: str = ""


class ServiceClaims(msgspec.Struct, frozen=True):
    sub: str
    aud: str
    exp: int
    client: str = ""


class ServiceTokens:
    """Mints tokens for the rooms of this process, and checks tokens of all rooms whose keys are known."""

    def __init__(self, keys: RoomKeys, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self._keys = keys
        self._minted: dict[tuple[str, str], tuple[str, float]] = {}
        self._checked: OrderedDict[str, tuple[Passport, float]] = OrderedDict()

    def current(self, room: str, audience: str) -> str:
        """Return a token for a call of `room` to `audience` that is valid for at least another minute."""
        token, expires_at = self._minted.get((room, audience), ("", 0.0))
        if not RENEW_SECONDS <= expires_at - self.now() <= LIFETIME_SECONDS:  # more if the clock was set back
            token = self.mint(room, audience)
            self._minted[room, audience] = (token, self.now() + LIFETIME_SECONDS)
        return token

    def mint(self, room: str, audience: str, client: str = "") -> str:
        """Return a new token.

        `client`: the program outside that gets it. Raises: CannotStart without the room's key.
        """
        key = self._keys.own.get(room)
        if key is None:
            raise CannotStart(f"this process holds no key of {room}: see `bunbase service-secrets`")
        now = int(self.now())
        claims = {"sub": room, "aud": audience, "type": "service", "iat": now, "exp": now + LIFETIME_SECONDS}
        if client:
            claims["client"] = client
        return jwt.encode({"alg": ALGORITHM, "kid": key.id}, claims, key.key, algorithms=[ALGORITHM])

    def check(self, token: str) -> Passport:
        """Return the content of a token. Raises: Unauthenticated, if no known room signed it or if it has expired."""
        known = self._checked.get(token)
        if known is not None and known[1] > self.now():
            return known[0]
        self._checked.pop(token, None)
        passport, expires_at = self._verified(token)
        self._checked[token] = (passport, expires_at)
        while len(self._checked) > MAX_REMEMBERED:
            self._checked.popitem(last=False)
        return passport

    def _verified(self, token: str) -> tuple[Passport, float]:
        try:
            key = self._key(token)
            claims = msgspec.convert(jwt.decode(token, key.key, algorithms=[ALGORITHM]).claims, ServiceClaims)
        except (JoseError, ValueError, TypeError, RecursionError):  # TypeError: `crit` is not a list of names
            raise Unauthenticated("This port accepts only service tokens.") from None
        if claims.sub != key.room:
            raise Unauthenticated("This service token names another room than its key belongs to.")
        if not self.now() < claims.exp <= self.now() + LIFETIME_SECONDS + SKEW_SECONDS:
            raise Unauthenticated("This service token has expired, or its lifetime is longer than allowed.")
        return Passport(key.room, claims.aud, claims.client), claims.exp

    def _key(self, token: str) -> PublicKey:
        """Return the key that a token names. Raises: ValueError, JoseError, Unauthenticated."""
        if len(token) > MAX_LENGTH:
            raise ValueError("the token is too long")
        key = self._keys.known.get(str(jws.extract_compact(token.encode()).headers().get("kid")))
        if key is None:
            raise Unauthenticated("No key of this service token's room is known here: see `bunbase service-secrets`.")
        return key
