"""All live connections of this process, and the work that they share: pings, deadlines, limits, revocations."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Container, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from bunbase.contracts.buncast import Buncast
from bunbase.contracts.bundoc.live import Live
from bunbase.contracts.caller import CallerKind
from bunbase.contracts.revocations import Revocation
from bunbase.gateway.clients import Clients
from bunbase.gateway.credentials import Sender
from bunbase.gateway.identity import Identity
from bunbase.gateway.live import messages
from bunbase.gateway.live.admission import Admission
from bunbase.gateway.live.blocked import Blocked
from bunbase.gateway.live.channels import LiveChannels
from bunbase.gateway.live.deadlines import Deadlines
from bunbase.gateway.live.messages import decoder_of
from bunbase.gateway.live.outlet import Outlet
from bunbase.gateway.live.problems import NoLiveSignIn
from bunbase.gateway.live.queries import Queries
from bunbase.gateway.live.session import AUTH_ENDED, QUOTA, Session
from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.live.sign_in import SignedIn, SignIn
from bunbase.gateway.live.signing import doubt
from bunbase.gateway.live.table import HANDLERS
from bunbase.gateway.live.usage import ConnectionUsage
from bunbase.gateway.live.watching import drop_syncs
from bunbase.gateway.live.writer import Writer
from bunbase.pkg import metrics
from bunbase.pkg.clock import Clock
from bunbase.pkg.jobs import Job, running
from bunbase.pkg.logger import logger
from bunbase.pkg.usage.writer import FREEZE_SECONDS
from bunbase.pkg.websocket.frames import CloseCode

log = logger("live")

TURNS: Final = 40  # Sessions are visited in this many parts, each part once in `ping_seconds`.
SILENCE_LOOKS: Final = 8  # Each turn searches this many parts for silent clients.
LAST_SECONDS: Final = 1.0  # A silent client has this much time to read why its connection ends.
# A client may stay behind for at most this long, although it reads a little now and then.
MAX_BEHIND_SECONDS: Final = 120.0


class LiveRooms(msgspec.Struct, frozen=True):
    """The services that live connections use. `clock` decides in which hour their usage counts."""

    bundoc: Live
    buncast: Buncast
    clock: Clock


class LiveServer:
    def __init__(
        self,
        settings: LiveSettings,
        identity: Identity,
        clients: Clients,
        rooms: LiveRooms,
        unlimited: Container[str] = (),
    ) -> None:
        self.settings = settings
        self.identity = identity
        self.usage = ConnectionUsage(rooms.buncast.add_live_usage, rooms.clock)
        self.admission = Admission(settings, unlimited)
        self.sign_in = SignIn(identity, clients)
        self.queries = Queries(self, rooms.bundoc)
        self.channels = LiveChannels(self, rooms.buncast)
        self.writer = Writer()
        self.deadlines = Deadlines()
        self.handlers = HANDLERS
        self.decode = decoder_of(HANDLERS)
        self.sessions: dict[Session, None] = {}
        self.by_credential: dict[str, set[Session]] = {}
        # These clients are slow. The value is the number of bytes that waited at the last check.
        self.slow: dict[Session, int] = {}
        self.slow_bytes = 0  # This is the sum of these bytes.
        self.turns: list[dict[Session, None]] = [{} for _ in range(TURNS)]
        self.tasks: set[asyncio.Task[Any]] = set()
        self.begun = 0
        self.hears = True  # True while the feeds of revocations work.
        self.stopping = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve live connections during the block."""
        self.identity.on_revoked.append(self._on_revoked)
        work = [asyncio.create_task(self.queries.follow(), name="live queries")]
        work.append(asyncio.create_task(self.channels.follow(), name="channels"))
        work.append(asyncio.create_task(self._tend(), name="live connections"))
        try:
            async with running(Job("gateway.live_usage", self.usage.writer.flush, FREEZE_SECONDS)):
                yield
        finally:
            self.identity.on_revoked.remove(self._on_revoked)
            for session in list(self.sessions):
                session.outlet.abort()
            for task in (*work, *self.tasks):
                task.cancel()
            await asyncio.gather(*work, *self.tasks, return_exceptions=True)
            await self.usage.writer.close()

    # Methods for connections.

    def begin(self, outlet: Outlet, sender: Sender, origin: str | None) -> Session:
        """Return the session of a new connection.

        `admission.check` has already checked the limits of the connection.
        """
        session = Session(self, outlet, sender, origin)
        late = self.admission.begin(session)
        self.sessions[session] = None
        self.begun += 1
        session.turn = self.begun % TURNS
        self.turns[session.turn][session] = None
        metrics.live_connections.labels(outlet.transport).inc()
        self.deadlines.add(self.settings.auth_seconds, session, 0, lambda: _end_stranger(session))
        if late:
            session.bye("quota", QUOTA, late)
        return session

    def end(self, session: Session) -> None:
        """Forget a session whose connection has ended."""
        session.closed = True
        session.block(Blocked.CLOSED)
        self.sessions.pop(session, None)
        self.slow.pop(session, None)
        self.writer.ready.pop(session, None)
        self.turns[session.turn].pop(session, None)
        drop_syncs(session)
        self.queries.leave(session)
        self.channels.leave(session)
        signed = session.signed
        if signed is not None:
            self._forget_credentials(session, signed)
            self.admission.leave(*signed.counted_as)
            self.usage.time.leave(signed.caller.project)
        self.admission.end(session)
        metrics.live_connections.labels(session.outlet.transport).dec()

    def shut(self, session: Session) -> None:
        """End a connection because the server stops. The clients reconnect one after the other."""
        self.stopping = True
        spread = max(1.0, len(self.sessions) / self.settings.begins_per_second)
        session.restart(random.uniform(0.1, spread))  # noqa: S311  spreads load

    def hello(self, conn: str, expires_in: Any) -> bytes:
        settings = self.settings
        limits = {
            "watches": settings.max_watches,
            "channels": settings.max_channels,
            "message_bytes": settings.max_message_bytes,
        }
        return messages.encoded("hello", conn=conn, ping=settings.ping_seconds, limits=limits, expires_in=expires_in)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run work in the background. An error in this work is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("work for live connections failed", exc_info=fault)

    # Methods for credentials.

    def signed_in(self, session: Session, before: SignedIn | None) -> None:
        """Note under which ids the sign-in of a session may be revoked, and to which project its time counts."""
        assert session.signed is not None
        self.usage.time.enter(session.signed.caller.project)
        if before is not None:
            self.usage.time.leave(before.caller.project)
            self._forget_credentials(session, before)
        for id in session.signed.credentials:
            self.by_credential.setdefault(id, set()).add(session)
        self._heed_feed(session)

    def check_feed(self) -> None:
        """Stop the delivery to callers bound by rules while a feed of revocations is silent."""
        hears = self.identity.hears_revocations()
        if hears != self.hears:
            self.hears = hears
            for session in list(self.sessions):
                self._heed_feed(session)

    def _heed_feed(self, session: Session) -> None:
        if self.hears:
            session.unblock(Blocked.FEED)
            session.take_waiting()
        elif session.signed is not None and session.signed.caller.kind is not CallerKind.SECRET:
            session.block(Blocked.FEED)

    def _forget_credentials(self, session: Session, signed: SignedIn) -> None:
        for id in signed.credentials:
            sessions = self.by_credential.get(id)
            if sessions is not None:
                sessions.discard(session)
                if not sessions:
                    del self.by_credential[id]

    def _on_revoked(self, news: Revocation) -> None:
        concerned = list(self.by_credential.get(news.id, ()))
        for session in concerned:
            doubt(session)
        if concerned and news.at:
            metrics.live_silence_seconds.observe(max(0.0, time.time() - news.at))

    # Methods for clients that read too slowly.

    def note_slow(self, session: Session) -> None:
        """Note how many bytes wait for a client that is behind.

        Hundreds of clients may fall behind between two ticks, so the total must be known at once.
        """
        before, waiting = self.slow.get(session, 0), session.outlet.waiting_bytes
        self.slow[session] = waiting
        self.slow_bytes += waiting - before
        if self.slow_bytes > self.settings.max_waiting_bytes:
            asyncio.get_running_loop().call_soon(self._limit_waiting)

    def _limit_waiting(self) -> None:
        """If too many bytes wait in total, close the connections with the largest buffers."""
        most = self.settings.max_waiting_bytes
        self.slow_bytes = sum([session.outlet.waiting_bytes for session in self.slow])
        if self.slow_bytes <= most:
            return
        for session in sorted(self.slow, key=lambda one: one.outlet.waiting_bytes, reverse=True):
            self.slow_bytes -= session.outlet.waiting_bytes
            session.cut()
            session.outlet.abort()
            if self.slow_bytes <= most:
                break

    # Work of each tick.

    async def _tend(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(self.settings.ping_seconds / TURNS)
            turn = (turn + 1) % TURNS
            try:
                self.check_feed()
                self.deadlines.run_due()
                self._tend_slow()
                self.writer.report()
                for look in range(SILENCE_LOOKS):
                    self._end_silent(self.turns[(turn + look * TURNS // SILENCE_LOOKS) % TURNS])
                self._ping(self.turns[turn])
            except Exception:
                log.exception("the care for live connections failed")

    def _end_silent(self, sessions: dict[Session, None]) -> None:
        """End the connections whose clients do not answer pings.

        The members of these connections leave the channels too.
        """
        silent = time.monotonic() - self.settings.silent_seconds
        for session in [one for one in sessions if one.heard_at < silent and not one.closed]:
            if session.outlet.answers_pings and session.signed is not None and not session.blocked & Blocked.READER:
                session.bye("silent", CloseCode.NORMAL)
                asyncio.get_running_loop().call_later(LAST_SECONDS, session.outlet.abort)

    def _ping(self, sessions: dict[Session, None]) -> None:
        for session in list(sessions):
            if session.signed is None or session.blocked & Blocked.READER:
                continue
            barrier = self.queries.barrier_of(session)
            session.put(b'{"t":"ping"%b' % (b"," + barrier[10:] if barrier else b"}"))

    def _tend_slow(self) -> None:
        """Close connections whose clients do not read, and those with most waiting bytes if the total is too large."""
        now = time.monotonic()
        for session, before in list(self.slow.items()):
            waiting = session.outlet.waiting_bytes
            if waiting < before:
                self.slow[session] = waiting
                session.read_at = now
            late = now - max(session.slow_since, session.read_at)
            if late > self.settings.slow_seconds or now - session.slow_since > MAX_BEHIND_SECONDS:
                session.cut()
        self._limit_waiting()


def _end_stranger(session: Session) -> None:
    if session.signed is None and not session.signing:
        session.bye("auth", AUTH_ENDED, problem=NoLiveSignIn("The message auth did not arrive in time."))
