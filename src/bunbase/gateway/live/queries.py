"""All watches of this process: from the sessions to Bundoc, and from Bundoc's one stream of events to the sessions.

The life of a watch:

1. `begin` asks Bundoc under a new number. The number of calls at once is limited, so that a restart does not overload
   Bundoc.
2. `Started` comes in the stream: the session gets `now`, and the watch joins its group.
3. A `Diff` of the group goes to each session of the group, as the same bytes. At the `Barrier`, each session that got
   something gets `at`.
4. If an event for a watch arrives while the session is blocked, the watch is *missed*. A missed watch leaves its group,
   and Bundoc forgets the number. `catch_up` begins again at step 1, and the client gets the whole result once more.
5. If Bundoc reports that the watch is behind, its session is late, and all other sessions get their barrier
   (`lateness`).

If the stream breaks, Bundoc has forgotten all watches, so all of them are missed. The client loses nothing, because the
protocol promises states, not every difference. A barrier is true for a session only if none of its watches is missed,
and if nothing has been delivered since the last barrier of the project (`Standing.moving`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable
from typing import Any, Final, Protocol

from bunbase.contracts.bundoc.live import Barrier, Behind, Check, Diff, Ended, Live, LiveEvent, Started
from bunbase.gateway.live import messages
from bunbase.gateway.live.lateness import LateSessions
from bunbase.gateway.live.registrations import Registrations
from bunbase.gateway.live.session import Session, Watch
from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.live.standings import Standing
from bunbase.gateway.live.streams import heard
from bunbase.gateway.live.usage import ConnectionUsage
from bunbase.gateway.live.watching import answer_all_syncs, answer_syncs, refuse_syncs
from bunbase.gateway.live.writer import Writer
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("live")

# A stream that is silent for this long is broken, because it sends a heartbeat every 10 s.
SILENT_SECONDS: Final = 30.0
REOPEN_SECONDS: Final = 0.2
SLICE: Final = 2000  # After this many deliveries, other work gets a turn.


class Hall(Protocol):
    """The part of `LiveServer`, which has all sessions, that the queries need."""

    sessions: dict[Session, None]
    settings: LiveSettings
    writer: Writer

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...

    def check_feed(self) -> None: ...

    @property
    def usage(self) -> ConnectionUsage: ...


class Queries:
    def __init__(self, hall: Hall, bundoc: Live) -> None:
        self.hall = hall
        self.bundoc = bundoc
        self.watches = Registrations(hall, bundoc, self.settle, hall.settings.max_asking)
        self.late = LateSessions(self.watches, bundoc, hall.usage, hall.settings)

    # Sessions call these methods.

    def begin(self, watch: Watch) -> None:
        """Watch a query. The client gets the result later."""
        self.watches.begin(watch)
        if watch.session.late is not None:
            self.late.go_on(watch.session)

    def forget(self, watch: Watch) -> None:
        """End a watch that its session has already removed."""
        watch.ended = True
        watch.session.missed.pop(watch, None)
        self.watches.withdraw(watch)
        if not watch.session.watches:
            self.late.forget(watch.session)

    def end_all(self, session: Session, problem: Problem) -> None:
        """End all watches of a session and its syncs, and tell the client why."""
        watches = list(session.watches.values())
        session.watches.clear()
        for watch in watches:
            self.forget(watch)
            session.put(messages.refusal("end", watch.id, problem))
        refuse_syncs(session, problem)

    def leave(self, session: Session) -> None:
        """Forget a session whose connection has ended."""
        watches = list(session.watches.values())
        session.watches.clear()
        for watch in watches:
            self.forget(watch)

    def catch_up(self, session: Session) -> None:
        """Watch the missed queries again, because results may be delivered again."""
        self.late.go_on(session)
        self.settle(session)

    def settle(self, session: Session) -> None:
        """Send the barrier that a session waits for, if the barrier is true now. Otherwise the session gets it with the
        next events.

        A session without watches has no results, so its syncs are answered without a barrier.
        """
        if session.signed is None or session.closed:
            return
        standing = self.watches.standings.get(session.caller.project)
        if not session.watches:
            answer_all_syncs(session)
        elif standing is not None and (session.syncs or session in standing.due):
            standing.due[session] = None
            if not standing.moving:
                self._tell_barrier(session, standing)

    def barrier_of(self, session: Session) -> bytes:
        """Return the state of the results of a session. Return "" if the session has no results, or if some results are
        older.
        """
        standing = self.watches.standings.get(session.caller.project) if session.watches else None
        if standing is None or standing.moving or session.missed or session.blocked or session in standing.due:
            return b""
        return standing.at

    async def recheck(self, session: Session) -> None:
        """Decide again about all watches of a session, for its new caller. The session is blocked meanwhile."""
        caller = session.caller
        settled = [watch for watch in session.watches.values() if watch.settled and not watch.ended]
        for watch in settled:
            watch.caller = caller
        by_number = {watch.number: watch for watch in settled}
        if not by_number:
            return
        try:
            changed: Iterable[int] = await self.bundoc.recheck(caller, self.watches.edge, tuple(by_number))
        except Problem:
            changed = by_number
        for number in changed:
            watch = by_number[number]
            if watch.number == number and not watch.ended:
                self.watches.miss(watch)

    # The stream of Bundoc.

    async def follow(self) -> None:
        """Follow the stream until cancelled. Open it again whenever it breaks."""
        while True:
            try:
                async for events in heard(self.bundoc.live(self.watches.edge), "live queries", SILENT_SECONDS):
                    if not self.watches.open.is_set():
                        self._opened()
                    await self._take(events)
            except Problem as problem:
                log.warning("the stream of live queries broke off", reason=problem.detail)
            except Exception:
                log.exception("the stream of live queries failed")
            self.watches.miss_all()
            await asyncio.sleep(REOPEN_SECONDS)

    def _opened(self) -> None:
        self.watches.open.set()
        for session in list(self.hall.sessions):
            if session.missed and not session.blocked:
                self.catch_up(session)

    async def _take(self, events: tuple[LiveEvent, ...]) -> None:
        if not events:
            return
        began, work = time.perf_counter(), 0
        self.hall.check_feed()
        for event in events:
            match event:
                case Diff():
                    work += self._take_diff(event)
                case Started():
                    self._take_result(event)
                case Check():
                    work += self._take_check(event)
                case Barrier():
                    work += self._take_barrier(event)
                case Behind():
                    self._take_behind(event)
                case Ended():
                    self._take_end(event)
            work += 1
            if work > SLICE:
                work = 0
                await asyncio.sleep(0)
        metrics.live_event_seconds.observe(time.perf_counter() - began)

    def _take_result(self, event: Started) -> None:
        watch = self.watches.by_number.get(event.number)
        if watch is None:
            return
        session = watch.session
        if not session.may_get(time.time()) or watch.caller != session.caller:
            self.watches.miss(watch)
            return
        standing = self.watches.join_group(watch, event)
        session.put(
            b'{"t":"now","id":%d,"g":"%b","turn":%d,"at":"%b.%d",%b}'
            % (watch.id, event.group.encode(), event.turn, event.epoch.encode(), event.seq, event.body)
        )
        self.hall.usage.count_delivered(standing.id, 1)
        standing.moving = True
        standing.due[session] = None

    def _take_diff(self, event: Diff) -> int:
        group = self.watches.groups.get(event.group)
        if group is None:
            return 0
        message = b'{"t":"diff","g":"%b","turn":%d,%b}' % (event.group.encode(), event.turn, event.body)
        group.standing.moving = True
        due, now = group.standing.due, time.time()
        held = list(group.sessions.items())
        for session, watches in held:
            if (
                not session.blocked and now < session.expires_at
            ):  # this is the same check as in `may_get`, without the cost of a call
                session.put(message)
                due[session] = None
            else:
                session.may_get(now)
                for watch in list(watches):
                    self.watches.miss(watch)
        self.hall.usage.count_delivered(group.standing.id, len(group.sessions))
        return len(held)

    def _take_check(self, event: Check) -> int:
        """Pass a digest on. A session that gets nothing now also lacks the diffs before it, so it needs no digest."""
        group = self.watches.groups.get(event.group)
        if group is None:
            return 0
        parts = (event.group.encode(), event.turn, event.documents, b"%08x" % event.crc)
        message, now = b'{"t":"check","g":"%b","turn":%d,"n":%d,"h":"%b"}' % parts, time.time()
        for session in list(group.sessions):
            if session.may_get(now):
                session.put(message)
        return len(group.sessions)

    def _take_barrier(self, event: Barrier) -> int:
        standing = self.watches.standings.get(event.project)
        if standing is None:
            return 0
        standing.moving = False
        standing.epoch, standing.seq = event.epoch, event.seq
        standing.at = messages.at(event.epoch, event.seq)
        due, standing.due = standing.due, {}
        now = time.time()
        for session in due:
            if session.closed:
                continue
            if session.missed or session.syncs or session.late or session.blocked or now >= session.expires_at:
                standing.due[session] = None
                self._tell_barrier(session, standing)
            else:
                session.put(standing.at)
        if due and event.committed_at:
            self.hall.writer.note_commit(event.committed_at)
        return len(due)

    def _tell_barrier(self, session: Session, standing: Standing) -> None:
        if session.missed or not standing.at or not self.late.may_tell(session, standing.epoch, standing.seq):
            return
        if session.may_get(time.time()):
            standing.due.pop(session, None)
            session.put(standing.at)
            self.late.told(session)
            if session.syncs:
                answer_syncs(session, standing.epoch, standing.seq)
                if session.syncs:
                    standing.due[session] = None

    def _take_behind(self, event: Behind) -> None:
        """Mark the watches whose queries take much time as missed, and make their sessions late."""
        sessions: dict[Session, None] = {}
        for number in event.numbers:
            if (watch := self.watches.by_number.get(number)) is not None:
                self.watches.miss(watch)
                sessions[watch.session] = None
        for session in sessions:
            self.late.fall_behind(session, event.dear)

    def _take_end(self, event: Ended) -> None:
        watch = self.watches.by_number.get(event.number)
        if watch is None:
            return
        if watch.session.may_get(time.time()):
            self.watches.end(watch, event.problem)
        else:
            self.watches.miss(watch)
