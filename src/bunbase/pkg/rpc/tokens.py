"""Service tokens. With such a token, a room proves its identity to a room in another process.

The calling room signs a JWT with its own key: `sub` is the calling room, and `aud` is the called room. The called
process finds the public key by `kid`, and then checks whether that room may call the method (`pkg/rpc/admission.py`). A
token is valid for five minutes and for many calls, but only the room in `aud` accepts it. See
docs/decisions/0037-rooms-trust-rooms-by-name.md.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from bunbase.pkg.errors import CannotStart, Unauthenticated
from bunbase.pkg.jwt import BadToken, encoded, unverified_header, verified
from bunbase.pkg.rpc.room_keys import PublicKey, RoomKeys

ALGORITHM: Final = "Ed25519"
LIFETIME_SECONDS: Final = 300
RENEW_SECONDS: Final = 60  # A token is replaced this long before it expires, so that no token expires on its way.
SKEW_SECONDS: Final = 60  # The clocks of two machines may differ by this much.
MAX_LENGTH: Final = 1024
# At most this many checked tokens are remembered. A calling room has one token for each called room.
MAX_REMEMBERED: Final = 1000


@dataclass(frozen=True)
class Passport:
    """The content of a checked token.

    `room`: the room that signed the token. `audience`: the called room. `client`: the program outside of BunBase that
    uses the token; empty if the room itself calls.
    """

    room: str
    audience: str
    client: str = ""


class ServiceClaims(msgspec.Struct, frozen=True):
    sub: str
    aud: str
    exp: int
    type: Literal["service"]
    nbf: int = 0
    client: str = ""


class ServiceTokens:
    """Signs tokens for the rooms of this process, and checks the tokens of every room whose key this process has."""

    def __init__(self, keys: RoomKeys, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self._keys = keys
        self._minted: dict[tuple[str, str], tuple[str, float]] = {}
        self._checked: OrderedDict[str, tuple[Passport, float]] = OrderedDict()

    def current(self, room: str, audience: str) -> str:
        """Return a token with which `room` can call `audience`. The token is valid for at least another minute."""
        token, expires_at = self._minted.get((room, audience), ("", 0.0))
        # More seconds are left if the clock was set back.
        if not RENEW_SECONDS <= expires_at - self.now() <= LIFETIME_SECONDS:
            token = self.mint(room, audience)
            self._minted[room, audience] = (token, self.now() + LIFETIME_SECONDS)
        return token

    def mint(self, room: str, audience: str, client: str = "") -> str:
        """Return a new token. `client`: the program outside of BunBase that gets the token.

        Raises: CannotStart if this process does not have the key of the room.
        """
        key = self._keys.own.get(room)
        if key is None:
            raise CannotStart(f"this process does not have the key of {room}: see `bunbase service-secrets`")
        now = int(self.now())
        claims = {"sub": room, "aud": audience, "type": "service", "iat": now, "exp": now + LIFETIME_SECONDS}
        if client:
            claims["client"] = client
        return encoded(claims, key.key, key.id, ALGORITHM)

    def check(self, token: str) -> Passport:
        """Return the content of a token. Raises: Unauthenticated if its key is unknown or the token is not valid."""
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
        key = self._key(token)
        try:
            claims = msgspec.convert(verified(token, key.key, [ALGORITHM], MAX_LENGTH)[1], ServiceClaims)
        except (BadToken, msgspec.ValidationError):
            raise Unauthenticated("This port accepts only service tokens.") from None
        if claims.sub != key.room:
            raise Unauthenticated("This service token is signed with the key of another room.")
        if not self.now() < claims.exp <= self.now() + LIFETIME_SECONDS + SKEW_SECONDS:
            raise Unauthenticated("This service token has expired, or its lifetime is longer than allowed.")
        if claims.nbf > self.now() + SKEW_SECONDS:
            raise Unauthenticated("This service token is not valid yet.")
        return Passport(key.room, claims.aud, claims.client), claims.exp

    def _key(self, token: str) -> PublicKey:
        """Return the public key that a token names. Raises: Unauthenticated."""
        header = unverified_header(token) if len(token) <= MAX_LENGTH else {}
        if not header:
            raise Unauthenticated("This port accepts only service tokens.")
        key = self._keys.known.get(str(header.get("kid")))
        if key is None:
            raise Unauthenticated("The key of this service token is not known here: see `bunbase service-secrets`.")
        return key
