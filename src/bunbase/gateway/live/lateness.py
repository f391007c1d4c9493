"""Late connections: they have a query so slow that all other connections of the project would have to wait.

The server sends `at` to a client only for a state that all its results have reached. So if one watch is late, the whole
connection is late:

1. Bundoc reports which watches are behind. Bundoc then forgets all watches of the connection, which gets no more
   differences.
2. The client gets its results *apart*: all complete results come from one snapshot, followed by `at` with the state of
   this snapshot. So all results of the client always show one state, only later and less often than those of other
   clients. There is no queue.
3. When the queries are cheap again, or there are no more changes, all queries are watched again. If they fall behind
   soon after, the connection stays apart for longer, each time twice as long.

If Bundoc only had too many queries for one round, the watches that are behind are watched again at once. Calls for
late results take turns fairly between the users of a project. A connection that gets no turn for
`late_seconds` loses its watches with `too_many_live_queries`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from bunbase.contracts.bundoc.live import Live, Results, TooManyLiveQueries
from bunbase.gateway.live import messages
from bunbase.gateway.live.asking import Asking
from bunbase.gateway.live.blocked import Blocked
from bunbase.gateway.live.registrations import Registrations
from bunbase.gateway.live.session import Session, Watch
from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.live.usage import ConnectionUsage
from bunbase.gateway.live.watching import answer_syncs
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem, Unreachable

AT_ONCE: Final = 4  # One project runs at most this many calls.
LEAST_PAUSE_SECONDS: Final = 1.0  # The shortest pause between two results.
MOST_PAUSE_SECONDS: Final = 5.0  # The longest pause between two results. It is shorter than the timeout of a `sync`.
PAUSE_SHARE: Final = 3.0  # After a call that took a second, the pause takes three seconds.
CALM_SECONDS: Final = 30.0  # If a connection has not been late for this long, earlier times do not count any more.
MOST_DOUBLINGS: Final = 5
GROUP: Final = b"late"  # No group has this name, so the client gets no differences.


class Late:
    """The state of a late connection. `apart`: true if its results are sent apart; otherwise its queries are watched
    again.

    `times`: the number of times that the connection has fallen behind. `fell_at`: the time at which this last happened.
    `more`: the number of results that must be sent apart before its queries are watched again. `told_at`: the last time
    at which all results of the connection reached one state, or the time at which the connection began to wait.
    `epoch`, `seq`: the last state that
    the client has got with `at`. `bodies`: a hash of the results at this state.
    """

    __slots__ = ("apart", "bodies", "epoch", "fell_at", "more", "seq", "task", "times", "told_at")

    def __init__(self) -> None:
        self.apart = False
        self.times = 0
        self.fell_at = self.told_at = 0.0
        self.more = 0
        self.epoch, self.seq = "", -1
        self.bodies = 0
        self.task: asyncio.Task[None] | None = None


class LateSessions:
    """Sends results to late sessions. `seconds`: the setting `late_seconds`."""

    def __init__(self, watches: Registrations, bundoc: Live, usage: ConnectionUsage, settings: LiveSettings) -> None:
        self.watches = watches
        self.bundoc = bundoc
        self.usage = usage
        self.seconds = settings.late_seconds
        self.asking = Asking(settings.max_asking, AT_ONCE)

    def fall_behind(self, session: Session, dear: bool) -> None:
        """Note that some watches of a session are behind and were missed.

        `dear`: true if the queries of these watches are too expensive to run in each round.
        """
        late = late_of(session) or Late()
        session.late = late
        if not late.apart:
            late.times += 1
            late.fell_at = time.monotonic()
            if dear or late.times > 1:
                late.apart = True
                late.more = (1 << min(late.times - 1, MOST_DOUBLINGS)) - 1
                metrics.live_late.inc()
                for watch in list(session.watches.values()):
                    self.watches.miss(watch)
        self.go_on(session)

    def go_on(self, session: Session) -> None:
        """Watch missed queries again, or continue to send the results of a late session. Idempotent."""
        late = late_of(session)
        if late is None or not late.apart:
            self.watches.begin_missed(session)
        elif late.task is None and self._may_ask(session):
            late.told_at = time.monotonic()
            late.task = self.watches.spawner.spawn(self._follow(session, late))

    def forget(self, session: Session) -> None:
        """Forget how a session is late, because it no longer has watches. Idempotent."""
        late = late_of(session)
        if late is not None:
            self._come_back(late)
            session.late = None
            if late.task is not None:
                late.task.cancel()

    def may_tell(self, session: Session, epoch: str, seq: int) -> bool:
        """False if the client has already got a later state than this barrier, while its results came apart."""
        late = late_of(session)
        return late is None or late.epoch != epoch or late.seq <= seq

    def told(self, session: Session) -> None:
        """Record that this session got a barrier at the same time as all other sessions."""
        late = late_of(session)
        if late is not None and time.monotonic() - late.fell_at > CALM_SECONDS:
            session.late = None

    def _may_ask(self, session: Session) -> bool:
        return bool(session.watches) and not session.closed and not session.blocked and self.watches.open.is_set()

    def _come_back(self, late: Late) -> None:
        if late.apart:
            late.apart = False
            metrics.live_late.dec()

    async def _follow(self, session: Session, late: Late) -> None:
        """Send the results of a session again and again, until its queries are watched again or something blocks it."""
        try:
            while self._may_ask(session):
                began = time.monotonic()
                found = await self._next(session, late)
                if found is not None and not self._stays_apart(late, found):
                    self._come_back(late)
                    break
                if not session.watches:
                    break  # All watches have ended, and their deadline must not end a new watch.
                pause = PAUSE_SHARE * (time.monotonic() - began)
                await asyncio.sleep(min(MOST_PAUSE_SECONDS, max(LEAST_PAUSE_SECONDS, pause)))
        finally:
            late.task = None
        if not session.watches:
            self.forget(session)
        elif not late.apart:
            self.watches.begin_missed(session)

    async def _next(self, session: Session, late: Late) -> Results | None:
        """Send the present results. Return the sent results, or None if some of them could not be sent."""
        watches, caller = tuple(session.watches.values()), session.caller
        for watch in watches:
            watch.forget_resume()
        try:
            async with asyncio.timeout_at(_loop_time(late.told_at + self.seconds)), self.asking.turn(caller):
                found = await self.bundoc.results(caller, tuple([watch.query for watch in watches]))
        except TimeoutError:
            self._end_all(session, TooManyLiveQueries(self._overdue))
            return None
        except Unreachable:
            late.told_at = time.monotonic()
            return None
        except Problem as problem:
            if problem.status < 500 and problem.status != 429:
                self._end_all(session, problem)
            return None
        if session.caller != caller or not session.may_get(time.time()) or not self._sent(session, watches, found):
            return None
        late.told_at = time.monotonic()
        late.epoch, late.seq = found.epoch, found.seq
        session.put(messages.at(found.epoch, found.seq))
        answer_syncs(session, found.epoch, found.seq)
        return found

    @property
    def _overdue(self) -> str:
        return (
            f"The results of this connection were not found for {self.seconds:g} s, because its queries, or those of "
            "others, take too much time: watch less, add an index, or simplify the rules."
        )

    def _sent(self, session: Session, watches: Sequence[Watch], found: Results) -> bool:
        """Send the results. Return True if all results of the session have reached their state.

        A result of more than 64 KiB is written at once, and may fill the buffer of the connection. The other results
        are sent nevertheless, because `at` needs all of them, and a snapshot has a limited size. Before, the other
        results were not sent, and a client got the same results again and again, without `at`.
        """
        for watch, one in zip(watches, found.results, strict=True):
            if not _may_go_on(session):
                return False
            if session.watches.get(watch.id) is not watch:
                continue
            if one.problem is not None:
                self.watches.end(watch, one.problem)
                continue
            watch.shown = True
            at = b"%b.%d" % (found.epoch.encode(), found.seq)
            session.put(b'{"t":"now","id":%d,"g":"%b","turn":0,"at":"%b",%b}' % (watch.id, GROUP, at, one.body))
            self.usage.count_delivered(session.caller.project, 1)
        if session.blocked & Blocked.READER and not session.closed:
            session.home.note_slow(session)  # More bytes wait now than when the buffer became full.
        asked = set(watches)
        return _may_go_on(session) and all(watch in asked for watch in session.watches.values())

    def _stays_apart(self, late: Late, found: Results) -> bool:
        bodies = hash(tuple([one.body for one in found.results]))
        same, late.bodies = bodies == late.bodies, bodies
        if late.more:
            late.more -= 1
            return True
        return found.dear and not same

    def _end_all(self, session: Session, problem: Problem) -> None:
        for watch in list(session.watches.values()):
            self.watches.end(watch, problem)


def late_of(session: Session) -> Late | None:
    late = session.late
    assert late is None or isinstance(late, Late)
    return late


def _may_go_on(session: Session) -> bool:
    """True if the rest of a snapshot may be sent: either nothing blocks the session, or only its full buffer does."""
    return session.may_get(time.time()) or not session.blocked & ~Blocked.READER


def _loop_time(monotonic: float) -> float:
    """Return the time of the event loop at this time of the clock `time.monotonic`."""
    return asyncio.get_running_loop().time() + monotonic - time.monotonic()
