"""Service tokens: how a room of one process proves itself to a room of another.

A room that calls signs a short JWT with its own key: `sub` is the room that calls, `aud` the room that is called. The
process that is called looks the key up by `kid`, and asks what that room may call (`pkg/rpc/admission.py`). A token
lives for five minutes and may be used many times; it is accepted by the room that it names, and by no other.
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
RENEW_SECONDS: Final = 60  # a token is replaced this long before its end, so that none dies on the way
SKEW_SECONDS: Final = 60  # between the clocks of two machines
MAX_LENGTH: Final = 1024
MAX_REMEMBERED: Final = 1000  # tokens that were checked: a room has one for each room that it calls


@dataclass(frozen=True)
class Passport:
    """`room`: which one calls, or vouches for `client`, a program outside. `audience`: which one is called."""

    room: str
    audience: str
    client: str = ""


class ServiceClaims(msgspec.Struct, frozen=True):
    sub: str
    aud: str
    exp: int
    client: str = ""


class ServiceTokens:
    """Mints tokens for the rooms of this process; checks those of all rooms whose keys are known."""

    def __init__(self, keys: RoomKeys, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self._keys = keys
        self._minted: dict[tuple[str, str], tuple[str, float]] = {}
        self._checked: OrderedDict[str, tuple[Passport, float]] = OrderedDict()

    def current(self, room: str, audience: str) -> str:
        """Return a token for a call of `room` to `audience` that is valid for at least another minute."""
        token, expires_at = self._minted.get((room, audience), ("", 0.0))
        if not RENEW_SECONDS <= expires_at - self.now() <= LIFETIME_SECONDS:  # more: the clock was put back
            token = self.mint(room, audience)
            self._minted[room, audience] = (token, self.now() + LIFETIME_SECONDS)
        return token

    def mint(self, room: str, audience: str, client: str = "") -> str:
        """Sign a token. `client`: the program outside that it is for. Raises: CannotStart without the room's key."""
        key = self._keys.own.get(room)
        if key is None:
            raise CannotStart(f"this process holds no key of {room}: see `bunbase service-secrets`")
        now = int(self.now())
        claims = {"sub": room, "aud": audience, "type": "service", "iat": now, "exp": now + LIFETIME_SECONDS}
        if client:
            claims["client"] = client
        return jwt.encode({"alg": ALGORITHM, "kid": key.id}, claims, key.key, algorithms=[ALGORITHM])

    def check(self, token: str) -> Passport:
        """Return who calls whom. Raises: Unauthenticated unless a known room signed the token and it still lives."""
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
        except (JoseError, ValueError, TypeError, RecursionError):  # TypeError: `crit` is no list of names
            raise Unauthenticated("This port takes service tokens only.") from None
        if claims.sub != key.room:
            raise Unauthenticated("This service token names another room than its key belongs to.")
        if not self.now() < claims.exp <= self.now() + LIFETIME_SECONDS + SKEW_SECONDS:
            raise Unauthenticated("This service token has expired, or lives longer than any may.")
        return Passport(key.room, claims.aud, claims.client), claims.exp

    def _key(self, token: str) -> PublicKey:
        """Raises: ValueError, JoseError, Unauthenticated."""
        if len(token) > MAX_LENGTH:
            raise ValueError("no token of ours is longer")
        key = self._keys.known.get(str(jws.extract_compact(token.encode()).headers().get("kid")))
        if key is None:
            raise Unauthenticated("No key of this service token's room is known here: see `bunbase service-secrets`.")
        return key
