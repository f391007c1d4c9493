"""The watches that Bundoc knows. Each has a number at Bundoc, and gets a new number whenever it is watched again."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from bunbase.contracts.bundoc.live import Live, NoLiveStream, Started
from bunbase.contracts.caller import Caller
from bunbase.gateway.live import messages
from bunbase.gateway.live.asking import Asking
from bunbase.gateway.live.session import Session, Watch
from bunbase.gateway.live.standings import Group, Standing
from bunbase.pkg.errors import Problem, Unreachable
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("live")

OPEN_SECONDS: Final = 10.0  # A first watch waits at most this long for the stream.
AGAIN_SECONDS: Final = 1.0  # A watch that failed for a temporary reason is tried again after this time.


class Spawner(Protocol):
    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...


class Registrations:
    """Registers watches at Bundoc. `open`: an event that is set while the stream of Bundoc is open.

    `on_end`: a function that is called with the session of a watch that has ended.

    `leaving`: numbers that Bundoc must forget. `max_asking`: the setting with the same name.
    """

    def __init__(self, spawner: Spawner, bundoc: Live, on_end: Callable[[Session], None], max_asking: int) -> None:
        self.spawner = spawner
        self.bundoc = bundoc
        self.on_end = on_end
        self.edge = new_id("edge")
        self.counter = itertools.count(1)
        self.by_number: dict[int, Watch] = {}
        self.groups: dict[str, Group] = {}
        self.standings: dict[str, Standing] = {}
        self.open = asyncio.Event()
        self.asking = Asking(max_asking)
        self.leaving: list[int] = []
        self.leaver: asyncio.Task[None] | None = None

    def begin(self, watch: Watch) -> None:
        """Watch a query, or watch it again. The client gets the result later.

        If the results of a connection are sent apart, the connection gets this result together with its other results.
        """
        if watch.session.late is not None and watch.session.late.apart:
            self.stay_missed(watch)
            return
        watch.asking = True
        self.spawner.spawn(self._begin(watch))

    def begin_missed(self, session: Session) -> None:
        """Watch the missed queries of a session again, if results may be delivered."""
        if self.open.is_set() and not session.blocked:
            for watch in list(session.missed):
                if not watch.number and not watch.asking:
                    self.begin(watch)

    def withdraw(self, watch: Watch) -> None:
        """Let Bundoc forget a watch. Idempotent."""
        number, settled = watch.number, watch.settled
        self._drop_number(watch)
        if number and settled:
            self._leave_soon(number)

    def miss(self, watch: Watch) -> None:
        """Forget the result of a watch. The query is watched again when the session may get results."""
        self.withdraw(watch)
        self.stay_missed(watch)

    def miss_all(self) -> None:
        """Forget all results, because the stream has broken and Bundoc has forgotten all watches."""
        self.open.clear()
        for watch in list(self.by_number.values()):
            self.miss(watch)
        self.leaving.clear()

    def stay_missed(self, watch: Watch) -> None:
        if not watch.ended:
            watch.session.missed[watch] = None

    def end(self, watch: Watch, problem: Problem | dict[str, object]) -> None:
        """End a watch, and tell the client why."""
        session = watch.session
        if session.watches.get(watch.id) is watch:
            del session.watches[watch.id]
        watch.ended = True
        session.missed.pop(watch, None)
        self._drop_number(watch)
        session.put(messages.refusal("end" if watch.shown else "error", watch.id, problem))
        self.on_end(session)

    def join_group(self, watch: Watch, event: Started) -> Standing:
        """Note that the session holds the result of the group. Return the state of the project."""
        self._leave_group(watch)
        session, standing = watch.session, self.standings[watch.session.caller.project]
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
        return standing

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
                self.end(watch, problem)
            return
        finally:
            watch.asking = False
        if watch in watch.session.missed:  # The watch was missed during the call.
            self.begin_missed(watch.session)

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
            if session.blocked or (session.late is not None and session.late.apart):
                self.stay_missed(watch)
                return
            caller = session.caller
            number = self._enter(watch, caller)
            try:
                await self.bundoc.watch(caller, self.edge, number, watch.query)
            except BaseException:
                if watch.number == number:
                    self._drop_number(watch)
                raise
        if watch.number != number:  # The watch has ended or was missed during the call.
            self._leave_soon(number)
            return
        watch.settled = True
        if session.caller != caller:
            self.miss(watch)

    def _enter(self, watch: Watch, caller: Caller) -> int:
        number = watch.number = next(self.counter)
        watch.caller, watch.settled = caller, False
        self.by_number[number] = watch
        self.standings.setdefault(caller.project, Standing(caller.project)).watches += 1
        return number

    def _drop_number(self, watch: Watch) -> None:
        """Forget a watch under its present number. Idempotent."""
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

    def _try_later(self, watch: Watch) -> None:
        self.stay_missed(watch)
        asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._try_again, watch.session)

    def _try_again(self, session: Session) -> None:
        if not session.closed:
            self.begin_missed(session)
            self.on_end(session)

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
        """Soon tell Bundoc to forget this registration; registrations that end at the same time share one call."""
        self.leaving.append(number)
        if self.leaver is None:
            self.leaver = self.spawner.spawn(self._leave_together())

    async def _leave_together(self) -> None:
        try:
            while self.leaving:
                await asyncio.sleep(0)
                numbers, self.leaving = tuple(self.leaving), []
                try:
                    await self.bundoc.unwatch(self.edge, numbers)
                except Problem as problem:
                    log.warning("live queries could not be forgotten", count=len(numbers), reason=problem.detail)
                    self.leaving += numbers  # Bundoc would keep these numbers as long as the stream is open.
                    await asyncio.sleep(AGAIN_SECONDS)
        finally:
            self.leaver = None
