"""Sessions that live by rotating refresh tokens: the rules alone; each room's store keeps the rows.

Every refresh token works once. Who sends one again within the grace gets the pair it was traded for, because the
answer may have been lost on the way; later, somebody else must hold a copy, and the session ends (RFC 9700 §4.14.2).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated, Final

import msgspec

from bunbase.pkg.addresses import email_or_none
from bunbase.pkg.ids import new_id
from bunbase.pkg.ip_addresses import neighbourhood
from bunbase.pkg.opaque import fingerprint, new_secret, open_with, seal_with

DAY_SECONDS: Final = 86400
LATEST_SESSIONS: Final = 500  # of one user are looked through for an address that is known
SKEW_SECONDS: Final = 60  # a token may be signed while its session ends, by a process whose clock is a little ahead

Addresses = Callable[[str, int], Awaitable[list[str]]]
Lifetime = Annotated[int, msgspec.Meta(ge=3600, le=366 * DAY_SECONDS)]


class SessionSettings(msgspec.Struct, frozen=True):
    """`session_ttl_seconds`: after this a session ends, however often it was refreshed.

    `reuse_grace_seconds`: how long a used refresh token still gives the pair it was traded for.
    """

    access_ttl_seconds: Annotated[int, msgspec.Meta(ge=60, le=DAY_SECONDS)] = 900
    refresh_ttl_seconds: Lifetime = 30 * DAY_SECONDS
    session_ttl_seconds: Lifetime = 180 * DAY_SECONDS
    reuse_grace_seconds: Annotated[int, msgspec.Meta(ge=0, le=60)] = 10


class Session(msgspec.Struct, frozen=True):
    id: str
    user_id: str
    ip: str
    agent: str
    created_at: datetime
    expires_at: datetime


class RefreshToken(msgspec.Struct, frozen=True):
    """A refresh token as stored, with what matters of its session. `sealed_pair`: what it was traded for."""

    session: str
    user_id: str
    expires_at: datetime
    used_at: datetime | None
    sealed_pair: bytes | None
    session_expires_at: datetime
    session_ended_at: datetime | None

    def traded_for(self, token: str) -> Pair:
        """Return the pair that this token was traded for; only for a token in the standing RETRY."""
        assert self.sealed_pair is not None, "without a sealed pair the standing is REUSED"
        return msgspec.msgpack.decode(open_with(token, self.sealed_pair), type=Pair)


class NewRefreshToken(msgspec.Struct, frozen=True):
    """`hash`: SHA-256 of the token, which itself is stored nowhere."""

    hash: bytes
    expires_at: datetime


class Pair(msgspec.Struct, frozen=True):
    """`access_expires_at`: Unix seconds. `version`: of the user as the access token speaks of them, where users have
    one."""

    access_token: str
    access_expires_at: int
    refresh_token: str
    refresh_expires_at: datetime
    version: int = 0

    def stored(self) -> NewRefreshToken:
        return NewRefreshToken(fingerprint(self.refresh_token), self.refresh_expires_at)

    def expires_in(self, now: datetime) -> int:
        return max(0, self.access_expires_at - int(now.timestamp()))

    def sealed_with(self, old_token: str) -> bytes:
        """Give the pair as only a holder of the token it replaces can read it: not even the server alone."""
        return seal_with(old_token, msgspec.msgpack.encode(self))


class Standing(Enum):
    FRESH = "fresh"
    RETRY = "retry"
    REUSED = "reused"
    EXPIRED = "expired"
    ENDED = "ended"


def standing(token: RefreshToken, now: datetime, settings: SessionSettings) -> Standing:
    """Say what a refresh token is worth. Reuse weighs most: it is told even of a session that is over."""
    grace = timedelta(seconds=settings.reuse_grace_seconds)
    if token.used_at is not None and (token.sealed_pair is None or now >= token.used_at + grace):
        return Standing.REUSED
    if token.session_ended_at is not None:
        return Standing.ENDED
    if token.expires_at <= now:
        return Standing.EXPIRED
    return Standing.FRESH if token.used_at is None else Standing.RETRY


def new_session(user_id: str, ip: str, agent: str, now: datetime, settings: SessionSettings) -> Session:
    return Session(new_id("ses"), user_id, ip, agent, now, now + timedelta(seconds=settings.session_ttl_seconds))


def new_pair(
    prefix: str, access: tuple[str, int], session_expires_at: datetime, now: datetime, settings: SessionSettings
) -> Pair:
    """Join an access token and its expiry with a new refresh token, which never outlives the session."""
    expires_at = min(now + timedelta(seconds=settings.refresh_ttl_seconds), session_expires_at)
    return Pair(*access, new_secret(prefix), expires_at)


async def knows_address(email: str, ip: str, addresses: Addresses) -> bool:
    """Return whether one of the latest sessions of the account was opened from the neighbourhood of `ip`.

    `addresses(email, limit)`: the addresses of these sessions.
    """
    normal = email_or_none(email)
    if normal is None or not ip:
        return False
    return neighbourhood(ip) in {neighbourhood(one) for one in await addresses(normal, LATEST_SESSIONS)}


def revoked_until(now: datetime, settings: SessionSettings) -> float:
    """Give the Unix time by which every access token of a session that ends now is dead by itself."""
    return now.timestamp() + settings.access_ttl_seconds + SKEW_SECONDS
