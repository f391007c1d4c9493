"""Follow an audit log, or the activity of users: yield each entry once, as it appears.

The command repeatedly requests the entries since a time. Several servers write entries at once, so entries do not
appear in the order of their times. Therefore each request begins OVERLAP before the newest entry, and the command
remembers the ids of the entries in this range. All times come from the server, so the clock of this machine does not
matter. The server may be unreachable for any length of time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final, Generic, Protocol, TypeVar

from bunbase.cli.errors import Refused, Unreachable
from bunbase.cli.outage import Outage
from bunbase.contracts.audit import AuditOutcome

PAUSE_SECONDS: Final = 2.0
# every request reads the last 60 seconds again, because a server stores an entry within seconds
OVERLAP: Final = timedelta(seconds=60)
# an act without an outcome is not shown for at most this number of requests, so that it can be shown with its outcome
MAX_HELD: Final = 5
PASSING: Final = frozenset({429, 500, 502, 503, 504})  # a server that is busy or restarting answers with these


class Followed(Protocol):
    """An entry of a log."""

    @property
    def id(self) -> str: ...

    @property
    def at(self) -> datetime: ...

    @property
    def outcome(self) -> str: ...


E = TypeVar("E", bound=Followed)

Ask = Callable[[datetime | None], tuple[E, ...]]  # a function that returns all entries since a time, newest first


class Follower(Generic[E]):
    """Finds new entries. `newest`: the newest entry of the log at the start.

    If `newest` is None, the log was empty at the start, and all entries are new.
    """

    def __init__(self, ask: Ask[E], newest: E | None) -> None:
        self.ask = ask
        self.since = None if newest is None else newest.at - OVERLAP
        self.seen: dict[str, datetime] = {}
        self.held: dict[str, int] = {}  # for each act without an outcome: the number of requests that found it
        if newest is not None:
            self.seen = {entry.id: entry.at for entry in self._asked()}

    def new_entries(self) -> list[E]:
        """Return the entries that have appeared, oldest first."""
        entries = self._asked()
        ready = [entry for entry in reversed(entries) if entry.id not in self.seen and not self._hold(entry)]
        self.seen |= {entry.id: entry.at for entry in ready}
        if entries:
            waiting = [entry.at for entry in entries if entry.id not in self.seen]
            self.since = min(entries[0].at - OVERLAP, *waiting) if waiting else entries[0].at - OVERLAP
        self.seen = {id: at for id, at in self.seen.items() if self.since is None or at >= self.since}
        return ready

    def _asked(self) -> tuple[E, ...]:
        return self.ask(self.since)

    def _hold(self, entry: E) -> bool:
        """True if the entry should not be shown yet, because its act has no outcome."""
        if entry.outcome != AuditOutcome.UNKNOWN:
            self.held.pop(entry.id, None)
            return False
        self.held[entry.id] = self.held.get(entry.id, 0) + 1
        if self.held[entry.id] < MAX_HELD:
            return True
        del self.held[entry.id]
        return False


def follow(follower: Follower[E], outage: Outage) -> Iterator[E]:
    """Yield entries until the user stops the command. If the server does not answer, the request is repeated.

    Raises: Unreachable if the server stays unreachable; Refused for permanent errors.
    """
    while True:
        try:
            found = follower.new_entries()
        except Unreachable as error:
            outage.wait(error.detail)
            continue
        except Refused as refused:
            if refused.problem.get("status") not in PASSING:
                raise
            outage.wait(refused.detail)
            continue
        outage.end()
        outage.note_progress()
        yield from found
        outage.pause(PAUSE_SECONDS)
