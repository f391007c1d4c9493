"""A plain model of accounts and sessions, as docs/accounts.md and docs/users.md describe them.

The model uses no code of BunAuth and of tenant-auth. The histories of both rooms are compared with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

GRACE = timedelta(seconds=10)
ACCESS = timedelta(minutes=15)
REFRESH = timedelta(days=30)
SESSION = timedelta(days=180)
KEPT = timedelta(days=1)  # Expired rows stay this long.


class Outcome(Enum):
    """The answer to a refresh."""

    NEW_CHILD = "a new pair"
    SAME_CHILD = "the pair of the first exchange"
    REFUSED = "refused"
    REUSED = "refused, and the session ends"


@dataclass(eq=False)
class ModelAccount:
    email: str = ""
    password: str = ""
    old_passwords: list[str] = field(default_factory=list)
    id: str = ""
    deleted: bool = False
    version: int = 0  # Only end users have versions. A change of the user ends the access tokens of older versions.
    sessions: list[ModelSession] = field(default_factory=list)

    def end_sessions(self, now: datetime, keep: ModelSession | None = None) -> None:
        for session in self.sessions:
            if session is not keep:
                session.end(now)


@dataclass(eq=False)
class ModelSession:
    account: ModelAccount
    id: str
    expires_at: datetime
    ended_at: datetime | None = None
    forgotten: bool = False  # True if the rows of the session were deleted.
    chain: list[ModelRefresh] = field(default_factory=list)

    def alive(self, now: datetime) -> bool:
        return not self.account.deleted and self.ended_at is None and self.expires_at > now

    def end(self, now: datetime) -> None:
        if self.alive(now):
            self.ended_at = now

    def use(self, generation: int) -> None:
        """Note that a client used a token of this generation, so the answers to all earlier exchanges have arrived."""
        for token in self.chain[:generation]:
            token.child_used = token.child_used or token.used_at is not None

    def forget(self, before: datetime) -> None:
        """Delete what expired or ended before a time."""
        self.forgotten = self.forgotten or (self.ended_at or self.expires_at) < before
        for token in self.chain:
            token.forgotten = token.forgotten or token.expires_at < before


@dataclass(eq=False)
class ModelRefresh:
    session: ModelSession
    text: str
    expires_at: datetime
    used_at: datetime | None = None
    child_used: bool = False
    forgotten: bool = False

    @property
    def generation(self) -> int:
        return self.session.chain.index(self)

    @property
    def child(self) -> ModelRefresh:
        return self.session.chain[self.generation + 1]

    def outcome(self, now: datetime) -> Outcome:
        session = self.session
        if self.forgotten or session.forgotten or session.account.deleted:
            return Outcome.REFUSED
        if self.used_at is not None and self.child_used and now >= self.used_at + GRACE:
            return Outcome.REUSED
        if session.ended_at is not None or self.expires_at <= now:
            return Outcome.REFUSED
        return Outcome.NEW_CHILD if self.used_at is None else Outcome.SAME_CHILD


@dataclass(eq=False)
class ModelAccess:
    """An access token. The token lives for ACCESS, but never longer than its session."""

    session: ModelSession
    text: str
    generation: int
    expires_at: datetime
    version: int = 0

    def usable(self, now: datetime) -> bool:
        outdated = self.version != self.session.account.version
        return self.session.alive(now) and self.expires_at > now and not outdated


def whole_seconds(time: datetime) -> datetime:
    return time.replace(microsecond=0)
