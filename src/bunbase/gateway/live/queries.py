"""All watches of this process: from the sessions to Bundoc, and from Bundoc's one stream of events to the sessions.

The life of a watch:

1. `begin` asks Bundoc under a new number. Not all calls run at once, so that a restart does not drown Bundoc.
2. `Started` comes in the stream: the session gets `now`, and the watch joins its group.
3. A `Diff` of the group goes to each session of the group, as the same bytes. At the `Barrier`, each session that got
   something gets `at`.
4. Something comes while the session is blocked: the watch is *missed*. It leaves its group, and Bundoc forgets the
   number. `catch_up` begins again at 1, and the client gets the whole result once more.

If the stream breaks, Bundoc has forgotten all watches, so all of them are missed. Nothing is lost, because the promise
is about states. A barrier is true for a session only if none of its watches is missed, and if nothing has been
delivered since the last barrier of the project (`Standing.moving`).
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Coroutine, Iterable
from typing import Any, Final, Protocol

from bunbase.contracts.bundoc.live import Barrier, Check, Diff, Ended, Live, LiveEvent, LiveQuery, NoLiveStream, Started
from bunbase.contracts.caller import Caller
from bunbase.gateway.live import messages
from bunbase.gateway.live.asking import Asking
from bunbase.gateway.live.session import Session, Watch
from bunbase.gateway.live.streams import heard
from bunbase.gateway.live.usage import ConnectionUsage
from bunbase.gateway.live.watching import answer_syncs
from bunbase.gateway.live.writer import Writer
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem, Unreachable
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("live")

SILENT_SECONDS: Final = 30.0  # a stream sends a sign of life every 10 s
REOPEN_SECONDS: Final = 0.2
OPEN_SECONDS: Final = 10.0  # how long a first watch waits for the stream
AGAIN_SECONDS: Final = 1.0  # until a watch is tried again that failed for a passing reason
SLICE: Final = 2000  # deliveries until other work gets a turn


class Hall(Protocol):
    """The part of all sessions together (`LiveServer`) that the queries need."""

    sessions: dict[Session, None]
    writer: Writer

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...

    def check_feed(self) -> None: ...

    @property
    def usage(self) -> ConnectionUsage: ...


class Group:
    """The sessions that hold the result of one group, each with its watches of this group.

    `query`: one that leads to this group; equal queries of other watches become this object.
    """

    __slots__ = ("query", "sessions", "standing")

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self.query: LiveQuery | None = None
        self.sessions: dict[Session, list[Watch]] = {}


class Standing:
    """The last state of the project `id` that this process knows. `watches`: the number of watches.

    `moving`: something has been delivered since the last barrier. `due`: the sessions that must get the next barrier.
    """

    __slots__ = ("at", "due", "epoch", "id", "moving", "seq", "watches")

    def __init__(self, id: str) -> None:
        self.id = id
        self.epoch = ""
        self.seq = -1
        self.at = b""
        self.moving = False
        self.due: dict[Session, None] = {}
        self.watches = 0


class Queries:
    def __init__(self, hall: Hall, bundoc: Live) -> None:
        self.hall = hall
        self.bundoc = bundoc
        self.edge = new_id("edge")
        self.counter = itertools.count(1)
        self.by_number: dict[int, Watch] = {}
        self.groups: dict[str, Group] = {}
        self.standings: dict[str, Standing] = {}
        self.open = asyncio.Event()
        self.asking = Asking()
        self.leaving: list[int] = []  # numbers that Bundoc must forget
        self.leaver: asyncio.Task[None] | None = None

    # the requests of sessions

    def begin(self, watch: Watch) -> None:
        """Watch a query, or watch it again. The result comes later."""
        watch.asking = True
        self.hall.spawn(self._begin(watch))

    def forget(self, watch: Watch) -> None:
        """End a watch: the session has removed it already."""
        watch.ended = True
        watch.session.missed.pop(watch, None)
        self._withdraw(watch)

    def end_all(self, session: Session, problem: Problem) -> None:
        """End all watches of a session, and tell the client why."""
        watches = list(session.watches.values())
        session.watches.clear()
        for watch in watches:
            self.forget(watch)
            session.put(messages.refusal("end", watch.id, problem))

    def leave(self, session: Session) -> None:
        """Forget a session: its connection has ended."""
        watches = list(session.watches.values())
        session.watches.clear()
        for watch in watches:
            self.forget(watch)

    def catch_up(self, session: Session) -> None:
        """Watch again what was missed, now that results may be delivered."""
        if self.open.is_set():
            for watch in session.missed:
                if not watch.number and not watch.asking:
                    self.begin(watch)
        self.settle(session)

    def settle(self, session: Session) -> None:
        """Send the barrier that a session waits for, if it is true now. Otherwise it comes with the next events."""
        if session.signed is None or session.closed:
            return
        standing = self.standings.get(session.caller.project)
        if not session.watches:
            for waiting in list(session.syncs):
                session.put(messages.at(waiting.epoch, waiting.seq))
                answer_syncs(session, waiting.epoch, waiting.seq)
        elif standing is not None and (session.syncs or session in standing.due):
            standing.due[session] = None
            if not standing.moving:
                self._tell_barrier(session, standing)

    def barrier_of(self, session: Session) -> bytes:
        """Return the state of the results of a session, "" if it has none, or if some of them are older."""
        standing = self.standings.get(session.caller.project) if session.watches else None
        if standing is None or standing.moving or session.missed or session.blocked or session in standing.due:
            return b""
        return standing.at

    async def recheck(self, session: Session) -> None:
        """Decide all watches for the new caller of a session, which is blocked meanwhile."""
        caller = session.caller
        settled = [watch for watch in session.watches.values() if watch.settled and not watch.ended]
        for watch in settled:
            watch.caller = caller
        by_number = {watch.number: watch for watch in settled}
        if not by_number:
            return
        try:
            changed: Iterable[int] = await self.bundoc.recheck(caller, self.edge, tuple(by_number))
        except Problem:
            changed = by_number
        for number in changed:
            watch = by_number[number]
            if watch.number == number and not watch.ended:
                self._miss(watch)

    # the stream of Bundoc

    async def follow(self) -> None:
        """Follow the stream until cancelled. Open it again whenever it breaks off."""
        while True:
            try:
                async for events in heard(self.bundoc.live(self.edge), "live queries", SILENT_SECONDS):
                    if not self.open.is_set():
                        self._opened()
                    await self._take(events)
            except Problem as problem:
                log.warning("the stream of live queries broke off", reason=problem.detail)
            except Exception:
                log.exception("the stream of live queries failed")
            self._broke()
            await asyncio.sleep(REOPEN_SECONDS)

    def _opened(self) -> None:
        self.open.set()
        for session in list(self.hall.sessions):
            if session.missed and not session.blocked:
                self.catch_up(session)

    def _broke(self) -> None:
        self.open.clear()
        for watch in list(self.by_number.values()):
            self._miss(watch)
        self.leaving.clear()

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
                case Ended():
                    self._take_end(event)
            work += 1
            if work > SLICE:
                work = 0
                await asyncio.sleep(0)
        metrics.live_event_seconds.observe(time.perf_counter() - began)

    def _take_result(self, event: Started) -> None:
        watch = self.by_number.get(event.number)
        if watch is None:
            return
        session = watch.session
        if not session.may_get(time.time()) or watch.caller != session.caller:
            self._miss(watch)
            return
        self._leave_group(watch)
        standing = self.standings[session.caller.project]
        group = self.groups.get(event.group)
        if group is None:
            group = self.groups[event.group] = Group(standing)
        group.sessions.setdefault(session, []).append(watch)
        watch.group = event.group
        watch.shown = True
        watch.forget_resume()
        if group.query is None:
            group.query = watch.query
        elif group.query == watch.query:
            watch.query = group.query
        session.missed.pop(watch, None)
        session.put(
            b'{"t":"now","id":%d,"g":"%b","turn":%d,"at":"%b.%d",%b}'
            % (watch.id, event.group.encode(), event.turn, event.epoch.encode(), event.seq, event.body)
        )
        self.hall.usage.count_delivered(standing.id, 1)
        standing.moving = True
        standing.due[session] = None

    def _take_diff(self, event: Diff) -> int:
        group = self.groups.get(event.group)
        if group is None:
            return 0
        message = b'{"t":"diff","g":"%b","turn":%d,%b}' % (event.group.encode(), event.turn, event.body)
        group.standing.moving = True
        due, now = group.standing.due, time.time()
        held = list(group.sessions.items())
        for session, watches in held:
            if (
                not session.blocked and now < session.expires_at
            ):  # as `may_get`, whose call would cost as much as it does
                session.put(message)
                due[session] = None
            else:
                session.may_get(now)
                for watch in list(watches):
                    self._miss(watch)
        self.hall.usage.count_delivered(group.standing.id, len(group.sessions))
        return len(held)

    def _take_check(self, event: Check) -> int:
        """Pass a digest on. A session that gets nothing now also lacks the diffs before it, so it needs no digest."""
        group = self.groups.get(event.group)
        if group is None:
            return 0
        parts = (event.group.encode(), event.turn, event.documents, b"%08x" % event.crc)
        message, now = b'{"t":"check","g":"%b","turn":%d,"n":%d,"h":"%b"}' % parts, time.time()
        for session in list(group.sessions):
            if session.may_get(now):
                session.put(message)
        return len(group.sessions)

    def _take_barrier(self, event: Barrier) -> int:
        standing = self.standings.get(event.project)
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
            if session.missed or session.syncs or session.blocked or now >= session.expires_at:
                standing.due[session] = None
                self._tell_barrier(session, standing)
            else:
                session.put(standing.at)
        if due and event.committed_at:
            self.hall.writer.note_commit(event.committed_at)
        return len(due)

    def _tell_barrier(self, session: Session, standing: Standing) -> None:
        if not session.missed and standing.at and session.may_get(time.time()):
            standing.due.pop(session, None)
            session.put(standing.at)
            if session.syncs:
                answer_syncs(session, standing.epoch, standing.seq)
                if session.syncs:
                    standing.due[session] = None

    def _take_end(self, event: Ended) -> None:
        watch = self.by_number.get(event.number)
        if watch is None:
            return
        if watch.session.may_get(time.time()):
            self._end(watch, event.problem)
        else:
            self._miss(watch)

    # one watch

    async def _begin(self, watch: Watch) -> None:
        try:
            await self._ask(watch)
        except NoLiveStream:
            self._try_later(watch)
            return
        except Problem as problem:
            if watch.ended:
                return
            if problem.status >= 500 and watch.shown:
                self._try_later(watch)
            else:
                self._end(watch, problem)
            return
        finally:
            watch.asking = False
        if watch in watch.session.missed and not watch.number and not watch.session.blocked and self.open.is_set():
            self.begin(watch)

    async def _ask(self, watch: Watch) -> None:
        """Register a watch at Bundoc. Raises: the Problems of Live.watch; Unreachable if the stream does not open."""
        session = watch.session
        if not self.open.is_set():
            try:
                async with asyncio.timeout(OPEN_SECONDS):
                    await self.open.wait()
            except TimeoutError:
                raise Unreachable("Live queries are not available now: try again.") from None
        async with self.asking.turn(session.caller):
            if watch.ended or session.closed:
                return
            if session.blocked:
                self._stay_missed(watch)
                return
            caller = session.caller
            number = self._enter(watch, caller)
            try:
                await self.bundoc.watch(caller, self.edge, number, watch.query)
            except BaseException:
                if watch.number == number:
                    self._drop_number(watch)
                raise
        if watch.number != number:  # it has ended or was missed during the call
            self._leave_soon(number)
            return
        watch.settled = True
        if session.caller != caller:
            self._miss(watch)

    def _enter(self, watch: Watch, caller: Caller) -> int:
        number = watch.number = next(self.counter)
        watch.caller, watch.settled = caller, False
        self.by_number[number] = watch
        self.standings.setdefault(caller.project, Standing(caller.project)).watches += 1
        return number

    def _drop_number(self, watch: Watch) -> None:
        """Forget what is known of a watch under its present number. Idempotent."""
        self._leave_group(watch)
        if self.by_number.pop(watch.number, None) is None:
            return
        assert watch.caller is not None
        project = watch.caller.project
        standing = self.standings[project]
        standing.watches -= 1
        if not standing.watches:
            del self.standings[project]
        watch.number, watch.settled = 0, False

    def _withdraw(self, watch: Watch) -> None:
        """Let Bundoc forget a watch. Idempotent."""
        number, settled = watch.number, watch.settled
        self._drop_number(watch)
        if number and settled:
            self._leave_soon(number)

    def _miss(self, watch: Watch) -> None:
        """Forget the result of a watch. It is watched again when the session may get results."""
        self._withdraw(watch)
        self._stay_missed(watch)

    def _stay_missed(self, watch: Watch) -> None:
        if not watch.ended:
            watch.session.missed[watch] = None

    def _try_later(self, watch: Watch) -> None:
        self._stay_missed(watch)
        asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._try_again, watch.session)

    def _try_again(self, session: Session) -> None:
        if not session.closed and not session.blocked:
            self.catch_up(session)

    def _end(self, watch: Watch, problem: Problem | dict[str, object]) -> None:
        session = watch.session
        if session.watches.get(watch.id) is watch:
            del session.watches[watch.id]
        watch.ended = True
        session.missed.pop(watch, None)
        self._drop_number(watch)
        session.put(messages.refusal("end" if watch.shown else "error", watch.id, problem))
        self.settle(session)

    def _leave_group(self, watch: Watch) -> None:
        name, watch.group = watch.group, ""
        group = self.groups.get(name)
        if group is None:
            return
        watches = group.sessions[watch.session]
        watches.remove(watch)
        if not watches:
            del group.sessions[watch.session]
            if not group.sessions:
                del self.groups[name]

    def _leave_soon(self, number: int) -> None:
        """Tell Bundoc to forget a number, together with others that end at the same time."""
        self.leaving.append(number)
        if self.leaver is None:
            self.leaver = self.hall.spawn(self._leave_together())

    async def _leave_together(self) -> None:
        try:
            while self.leaving:
                await asyncio.sleep(0)
                numbers, self.leaving = tuple(self.leaving), []
                try:
                    await self.bundoc.unwatch(self.edge, numbers)
                except Problem as problem:
                    log.warning("live queries could not be forgotten", count=len(numbers), reason=problem.detail)
        finally:
            self.leaver = None
