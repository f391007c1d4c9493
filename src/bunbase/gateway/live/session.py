"""One live connection, without its transport: its sign-in, its watches and channels, and the messages to send.

No result or channel message is delivered while there is a reason against it (`Blocked`). If an event for a watch
arrives meanwhile, the watch is *missed*: its result is forgotten, and it is watched again as soon as no reason is left.
So one mechanism handles slow readers, renewed tokens, doubts about credentials, and an interrupted stream. No queue
grows, and a result that was made for an earlier caller is never sent.

`signing.py` describes the life of the sign-in.

Messages wait while the sign-in is not known to be valid (`may_act`): during a check, after the expiry or a revocation,
and while a feed of revocations is silent. A message is handled only for the user who was signed in when it was sent.
When the user changes, messages from before the change are refused.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET

from bunbase.contracts.bundoc.live import LiveQuery
from bunbase.contracts.caller import Caller
from bunbase.gateway.credentials import Sender
from bunbase.gateway.live import messages
from bunbase.gateway.live.admission import FULL_SECONDS, Admission
from bunbase.gateway.live.beginnings import TokenBucket
from bunbase.gateway.live.blocked import Blocked
from bunbase.gateway.live.deadlines import Deadlines
from bunbase.gateway.live.messages import Auth, Message, NotAMessage, Pong, Unreadable
from bunbase.gateway.live.outlet import Outlet, Packed
from bunbase.gateway.live.problems import NoLiveSignIn
from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.live.sign_in import SignedIn, SignIn
from bunbase.gateway.live.syncs import WaitingSync
from bunbase.gateway.live.waiting import Waiting
from bunbase.gateway.live.writer import Writer
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem, Stopping
from bunbase.pkg.websocket.frames import CloseCode

AUTH_ENDED: Final = 4401
SLOW: Final = 4408
QUOTA: Final = 4429
MAX_FIRST_BYTES: Final = 2 * messages.MAX_TOKEN + (1 << 10)  # These are the sizes of two tokens, a key, and `resume`.
FLUSH_BYTES: Final = 64 << 10  # At most this many bytes wait for the end of a tick. More bytes are sent immediately.


class SessionQueries(Protocol):
    """The part of `Queries` that sessions call."""

    def begin(self, watch: Watch) -> None: ...

    def forget(self, watch: Watch) -> None: ...

    def end_all(self, session: Session, problem: Problem) -> None: ...

    def catch_up(self, session: Session) -> None: ...

    def settle(self, session: Session) -> None: ...

    async def recheck(self, session: Session) -> None: ...


class SessionLate(Protocol):
    """The part of `Late` that `Queries` reads."""

    apart: bool


class SessionChannels(Protocol):
    """The part of `LiveChannels` that sessions and the handlers of messages call."""

    async def begin(self, join: Any) -> None: ...

    def forget(self, join: Any, closed: bool = False) -> None: ...

    async def publish(self, session: Session, message: Any) -> None: ...

    async def set_presence(self, session: Session, id: int, channel: str, data: bytes | None) -> None: ...

    def end_all(self, session: Session, problem: Problem) -> None: ...

    def catch_up(self, session: Session) -> None: ...

    def step_out(self, session: Session) -> None: ...

    async def recheck(self, session: Session) -> None: ...


class SessionOrders(Protocol):
    """The part of `Orders` that sessions call."""

    def go_on(self) -> None: ...

    def drop(self, problem: Problem) -> None: ...


class Home(Protocol):
    """The parts of the process (`LiveServer`) that a session uses."""

    settings: LiveSettings
    admission: Admission
    sign_in: SignIn
    writer: Writer
    deadlines: Deadlines
    slow: dict[Session, int]
    handlers: Mapping[type[Message], Callable[[Session, Any], None]]

    @property
    def queries(self) -> SessionQueries: ...

    @property
    def channels(self) -> SessionChannels: ...

    def decode(self, sent: bytes) -> Message: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> object: ...

    def hello(self, conn: str, expires_in: Any) -> bytes: ...

    def signed_in(self, session: Session, before: SignedIn | None) -> None: ...

    def note_slow(self, session: Session) -> None: ...


class Watch:
    """A query that a client watches. `id`: the number that the client has chosen. `number`: the number at Bundoc, which
    is new each time the query is watched.

    `caller`: the caller for which it was watched. `asking`: true during a request to Bundoc. `settled`: true if Bundoc
    has accepted the number. `group`: the group whose diffs the client gets; "" if the client has no result that is up
    to date. `shown`: true if the client has got a result before. `ended`: true if the client no longer watches the
    query.
    """

    __slots__ = ("asking", "caller", "ended", "group", "id", "number", "query", "session", "settled", "shown")

    def __init__(self, session: Session, id: int, query: LiveQuery) -> None:
        self.session = session
        self.id = id
        self.query = query
        self.number = 0
        self.caller: Caller | None = None
        self.asking = False
        self.settled = False
        self.group = ""
        self.shown = False
        self.ended = False

    def forget_resume(self) -> None:
        """Make the next request ask for the whole result."""
        if self.query.at:
            self.query = msgspec.structs.replace(self.query, at="", v="", have=())


class Session:
    """`caller`: None until the first sign-in. `watches`: the watches by the number that the client has chosen.

    `joins`: the channels that the client has joined, by its numbers (`ChannelJoin`); `orders`: work for them.
    `missed`: the watches whose result at the client is old. `late` is set if the session has queries that take much
    time (`Late`). `generation` grows with each sign-in, and with each doubt about the sign-in.
    `waiting`: messages that wait until the sign-in is valid.
    """

    __slots__ = (
        "__weakref__",
        "blocked",
        "bucket",
        "closed",
        "expires_at",
        "generation",
        "heard_at",
        "home",
        "id",
        "joins",
        "large",
        "late",
        "missed",
        "orders",
        "origin",
        "outbox",
        "outbox_bytes",
        "outlet",
        "read_at",
        "resumes",
        "sender",
        "signed",
        "signing",
        "slow_since",
        "syncs",
        "turn",
        "waiting",
        "watches",
    )

    def __init__(self, home: Home, outlet: Outlet, sender: Sender, origin: str | None) -> None:
        now = time.monotonic()
        self.home = home
        self.outlet = outlet
        self.sender = sender
        self.origin = origin
        self.id = secrets.token_urlsafe(18)
        self.signed: SignedIn | None = None
        self.signing = False
        self.expires_at = math.inf
        self.generation = 0
        self.resumes = ""
        self.blocked = 0
        self.watches: dict[int, Watch] = {}
        self.missed: dict[Watch, None] = {}
        self.late: SessionLate | None = None
        self.joins: dict[int, Any] = {}
        self.orders: SessionOrders | None = None
        self.syncs: list[WaitingSync] = []
        self.outbox: list[bytes] = []
        self.outbox_bytes = 0
        self.large = False
        self.waiting = Waiting()
        self.bucket = TokenBucket(home.settings.messages_per_second, home.settings.message_burst, now)
        self.heard_at = now
        self.slow_since = self.read_at = 0.0
        self.turn = 0
        self.closed = False

    @property
    def caller(self) -> Caller:
        assert self.signed is not None
        return self.signed.caller

    # Methods for messages of the client.

    def count(self, received: int) -> None:
        """Count messages and frames of the client. Close the connection if there are too many."""
        now = time.monotonic()
        self.heard_at = now
        if not self.bucket.take(now, received):
            self.bye("quota", QUOTA, self.bucket.late_seconds + 1)

    def receive(self, sent: bytes) -> None:
        if self.closed:
            return
        if self.signed is None and len(sent) > MAX_FIRST_BYTES:
            self.bye("fault", CloseCode.TOO_BIG)
            return
        try:
            message = self.home.decode(sent)
        except NotAMessage:
            self.bye("fault", CloseCode.POLICY)
        except Unreadable as unreadable:
            self.refuse(unreadable.id, unreadable.problem)
        else:
            self._take(message, len(sent))

    def _take(self, message: Message, size: int) -> None:
        if not self.signing and isinstance(message, Auth):
            self.waiting.older = len(self.waiting)
            self._act(message)
        elif self.signing or self.waiting or (self.signed is not None and not self.may_act()):
            self._wait(message, size)
        elif self.signed is None:
            self.bye("auth", AUTH_ENDED, problem=NoLiveSignIn("Send the message auth first."))
        else:
            self._act(message)

    def _act(self, message: Message) -> None:
        self.home.handlers[type(message)](self, message)

    def _wait(self, message: Message, size: int) -> None:
        if not isinstance(message, Pong) and not self.waiting.add(message, size):
            self.bye("quota", QUOTA, 1)

    def take_waiting(self) -> None:
        """Handle the waiting messages if the sign-in is valid, else check the first waiting `auth`. Idempotent."""
        if self.orders is not None and self.may_act():
            self.orders.go_on()
        while self.waiting and not self.signing and not self.closed:
            place = 0 if self.may_act() else self.waiting.place_of_auth()
            if place is None:
                return
            self._act(self.waiting.take(place))

    def refuse_older(self, problem: Problem) -> None:
        """Refuse the messages of the previous user. These messages must not be handled in the name of the next user."""
        for message in self.waiting.take_older():
            self.refuse(getattr(message, "id", None), problem)
        if self.orders is not None:
            self.orders.drop(problem)

    # Methods for the reasons against a delivery.

    def expire(self) -> None:
        """Stop the delivery, because the token has expired. Idempotent."""
        self.block(Blocked.ENDED)

    def block(self, reason: int) -> None:
        self.blocked |= reason

    def unblock(self, reason: int) -> None:
        """Remove a reason against the delivery. If no reason is left, watch missed queries again."""
        if self.blocked & reason:
            self.blocked &= ~reason
            if not self.blocked:
                self.home.queries.catch_up(self)
                self.home.channels.catch_up(self)

    def may_get(self, now: float) -> bool:
        """True if results may be delivered. `now`: Unix seconds."""
        if now >= self.expires_at:
            self.expire()
        return not self.blocked

    def may_act(self) -> bool:
        """True if the sign-in is valid now, so that the client may ask for something or change something."""
        if time.time() >= self.expires_at:
            self.expire()
        return not self.signing and not self.blocked & Blocked.UNPROVEN

    def read_slowly(self) -> None:
        self.block(Blocked.READER)
        self.slow_since = time.monotonic()
        self.home.note_slow(self)
        metrics.live_behind.inc()

    def read_again(self) -> None:
        self.home.slow.pop(self, None)
        self.heard_at = time.monotonic()  # The server did not read from the client meanwhile.
        self.unblock(Blocked.READER)

    # Methods for messages to the client.

    def put(self, message: bytes) -> None:
        """Send a message with the next tick."""
        if self.closed:
            return
        self.outbox.append(message)
        self.outbox_bytes += len(message)
        if self.outbox_bytes > FLUSH_BYTES:
            self.large = True
            self.flush(None)
        elif len(self.outbox) == 1:
            self.home.writer.add(self)

    def flush(self, packed: Packed | None) -> None:
        if not self.outbox or self.closed:
            return
        sent, self.outbox = self.outbox, []
        if self.large:
            self.large, packed = False, None
        self.outbox_bytes = 0
        writer = self.home.writer
        writer.bytes += self.outlet.send(sent, packed)
        writer.messages += len(sent)
        writer.writes += 1

    def refuse(self, id: int | None, problem: Problem) -> None:
        """Answer that a message failed. Everything else continues."""
        self.put(messages.refusal("error", id, problem))

    def bye(self, why: str, code: int, after_seconds: float = 0.0, problem: Problem | None = None) -> None:
        """Tell the client why the connection ends, and end it. Idempotent."""
        if self.closed:
            return
        after = round(after_seconds * 1000) if after_seconds else UNSET
        self.outbox.append(
            messages.encoded("bye", code=why, after_ms=after, problem=problem.body() if problem is not None else UNSET)
        )
        self.flush(None)
        self.closed = True
        self.block(Blocked.CLOSED)
        self.outlet.close(code, why)

    def restart(self, after_seconds: float) -> None:
        self.bye("restart", CloseCode.RESTART, after_seconds, Stopping("The server restarts: connect again."))

    def make_room(self) -> None:
        """End a connection that has not sent its key yet, because a newcomer takes its place."""
        self.bye("quota", QUOTA, FULL_SECONDS)

    def cut(self) -> None:
        """End the connection of a client that does not read."""
        if not self.closed:
            self.closed = True
            self.block(Blocked.CLOSED)
            metrics.live_slow_closes.inc()
            self.outlet.close(SLOW, "slow")
