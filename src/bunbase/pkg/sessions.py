"""The rules of sessions with rotating refresh tokens. This file uses no database: each room has its own store.

Every refresh token is exchanged for only one new pair of tokens, its child (RFC 9700 §4.14.2).

    Concern: the answer with the new pair of tokens can get lost. The client then sends the old token again. For the
    server, this looks exactly like a thief who uses a stolen copy. If the server refused, a bad network would sign the
    user out. The client may try again very late: a laptop may sleep for a night between the request and the answer.
    Decision: until its child is used, the old token returns the same child. If either token of the child is used, the
    answer has arrived. After that, the old token ends the session: two parties hold it, and the server cannot tell
    which of them is the user. For ten seconds (`reuse_grace_seconds`) the old token still returns the child even if the
    child was used, because two tabs of a browser may refresh at once. Two alternatives were rejected. If the second
    request got a different pair, thief and user would each hold a valid pair. A grace period alone signed out every
    client whose answer was lost, and that sent the next request later.

The child must be stored until it is used. The child is encrypted with the old token, and the database contains only a
hash of that token. So a person who reads the database cannot use the pair. Afterwards, the pair is deleted
(`pkg/upkeep.py`).

A room that does not record the first use of a child has only the grace period.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated, Final

import msgspec

from bunbase.pkg.addresses import known_email
from bunbase.pkg.ids import new_id
from bunbase.pkg.ip_addresses import neighbourhood
from bunbase.pkg.opaque import fingerprint, new_secret, open_with, seal_with
from bunbase.pkg.phones import phone_or_none

DAY_SECONDS: Final = 86400
LATEST_SESSIONS: Final = 500  # `knows_address` searches only this many of an account's latest sessions.
SKEW_SECONDS: Final = 60  # The clocks of two processes may differ by this much.

Addresses = Callable[[str, int], Awaitable[list[str]]]
Lifetime = Annotated[int, msgspec.Meta(ge=3600, le=366 * DAY_SECONDS)]


class SessionSettings(msgspec.Struct, frozen=True):
    """The lifetimes of tokens and sessions.

    `access_ttl_seconds`: the lifetime of an access token. `refresh_ttl_seconds`: the lifetime of a refresh token; each
    refresh returns a new refresh token. `session_ttl_seconds`: the time after which a session ends, even if it is
    refreshed. `reuse_grace_seconds`: for this time after its use, a refresh token still returns the same pair, even if
    that pair was used.
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
    """A stored refresh token with fields of its session.

    `sealed_pair`: the encrypted pair for which it was exchanged. `child_used`: true if that pair was used, or if the
    room does not record the use.
    `generation`: the number of earlier exchanges in the session.
    """

    session: str
    user_id: str
    expires_at: datetime
    used_at: datetime | None
    sealed_pair: bytes | None
    session_expires_at: datetime
    session_ended_at: datetime | None
    child_used: bool = True
    generation: int = 0

    def traded_for(self, token: str) -> Pair:
        """Return the pair for which this token was exchanged. `token`: the text of the token.

        Call this only for a token whose standing is RETRY.
        """
        assert self.sealed_pair is not None, "without a sealed pair the standing is REUSED"
        return msgspec.msgpack.decode(open_with(token, self.sealed_pair), type=Pair)


class NewRefreshToken(msgspec.Struct, frozen=True):
    """A refresh token to store. `hash`: SHA-256 of the token. The token itself is not stored."""

    hash: bytes
    expires_at: datetime


class Pair(msgspec.Struct, frozen=True):
    """An access token and a refresh token.

    `access_expires_at`: the expiry of the access token, in Unix seconds. `version`: the user version that the access
    token contains; 0 if users of the room have no versions.
    """

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
        """Return the pair encrypted with the token that it replaces. The server alone cannot decrypt it."""
        return seal_with(old_token, msgspec.msgpack.encode(self))


class Standing(Enum):
    """The state of a refresh token that a client has sent."""

    FRESH = "fresh"  # the token was never used: exchange it for a new pair
    RETRY = "retry"  # the token was used, but its child was not, or the grace period is not over: return the same pair
    REUSED = "reused"  # the token was used, and so was its child: end the session
    EXPIRED = "expired"
    ENDED = "ended"  # the session has ended


def standing(token: RefreshToken, now: datetime, settings: SessionSettings) -> Standing:
    """Return the standing of a refresh token. A reused token is REUSED even if its session has ended."""
    grace = timedelta(seconds=settings.reuse_grace_seconds)
    if token.used_at is not None:
        over = token.child_used and now >= token.used_at + grace
        if over or token.sealed_pair is None:
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
    """Return a pair of `access` (token and expiry) and a new refresh token, which never outlives the session."""
    expires_at = min(now + timedelta(seconds=settings.refresh_ttl_seconds), session_expires_at)
    return Pair(*access, new_secret(prefix), expires_at)


async def knows_address(account: str, ip: str, addresses: Addresses) -> bool:
    """True if one of the latest sessions of the account was opened from the neighbourhood of `ip`.

    `account`: the address or phone number of the account. `addresses(account, limit)` returns the addresses of the
    latest sessions.
    """
    normal = known_email(account) or phone_or_none(account)
    if normal is None or not ip:
        return False
    return neighbourhood(ip) in {neighbourhood(one) for one in await addresses(normal, LATEST_SESSIONS)}


def revoked_until(now: datetime, longest_seconds: int) -> float:
    """Return the Unix time at which all access tokens of a session that ends now have expired.

    `longest_seconds`: the longest lifetime of a token that may be valid now (`pkg/db/lifetimes.py`).
    """
    return now.timestamp() + longest_seconds + SKEW_SECONDS
