"""A LiveServer whose neighbours are fakes: Bundoc, the check of sign-ins, and the transport."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, cast

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.buncast import NewMessage, Publication, Published
from bunbase.contracts.bundoc.live import Barrier, Behind, Diff, LiveEvent, LiveQuery, QueryResult, Results, Started
from bunbase.contracts.caller import Caller, EndUser
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.gateway.credentials import Sender
from bunbase.gateway.live.outlet import Packed
from bunbase.gateway.live.server import LiveRooms, LiveServer
from bunbase.gateway.live.session import Session
from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.live.sign_in import Offered, SignedIn
from bunbase.pkg.clock import SystemClock
from bunbase.pkg.errors import Problem, Unreachable
from bunbase.pkg.usage.batches import Batch, Receipt
from tests.rooms import publishable_caller, secret_caller

PROJECT = "prj_a"
SECONDS = 10.0


class FakeBundoc:
    """Every query has one group; `docs` is its result. `hold` keeps back the results of watches.

    `apart`: the number of queries of each call of `results`. `dear`: the value of `dear` that it reports. `may_find`
    holds its answer back.
    """

    def __init__(self) -> None:
        self.stream: asyncio.Queue[tuple[LiveEvent, ...] | None] | None = None
        self.watched: dict[int, tuple[Caller, LiveQuery]] = {}
        self.asked = 0
        self.rechecked: list[tuple[Caller, tuple[int, ...]]] = []
        self.changed: tuple[int, ...] = ()
        self.turn = 0
        self.seq = 1
        self.committed_at = 0.0
        self.docs = b""
        self.hold = False
        self.unreachable = 0  # This many calls of `unwatch` fail.
        self.refuses: Problem | None = None
        self.apart: list[int] = []
        self.dear = True
        self.problem: Problem | None = None
        self.may_find = asyncio.Event()
        self.may_find.set()

    async def live(self, edge: str) -> AsyncIterator[tuple[LiveEvent, ...]]:
        stream = self.stream = asyncio.Queue()
        self.watched.clear()
        yield ()
        while (events := await stream.get()) is not None:
            yield events

    async def watch(self, caller: Caller, edge: str, number: int, query: LiveQuery) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.refuses is not None:
            raise self.refuses
        self.watched[number] = caller, query
        if not self.hold:
            self.start(number)

    async def recheck(self, caller: Caller, edge: str, numbers: tuple[int, ...]) -> tuple[int, ...]:
        self.rechecked.append((caller, numbers))
        await asyncio.sleep(0)
        return numbers if self.changed else ()

    async def results(self, caller: Caller, queries: tuple[LiveQuery, ...]) -> Results:
        self.apart.append(len(queries))
        seq, one = self.seq, QueryResult(b'"docs":[%b]' % self.docs)
        await asyncio.sleep(0)  # A call of another process never returns at once.
        await self.may_find.wait()
        if self.refuses is not None:
            raise self.refuses
        problem = self.problem
        found = tuple([one if problem is None else QueryResult(problem=problem.body()) for _ in queries])
        return Results("e1", seq, self.dear, found)

    def fall_behind(self, *numbers: int, dear: bool = True) -> None:
        """Mark watches as behind, by default all watches."""
        fallen = numbers or tuple(self.watched)
        for number in fallen:
            del self.watched[number]
        self.send(Behind(fallen, dear), Barrier(PROJECT, "e1", self.seq))

    async def unwatch(self, edge: str, numbers: tuple[int, ...]) -> None:
        if self.unreachable:
            self.unreachable -= 1
            raise Unreachable("Bundoc is down.")
        for number in numbers:
            self.watched.pop(number, None)

    def start(self, number: int) -> None:
        body = b'"docs":[%b]' % self.docs
        self.send(Started(number, "g1", self.turn, "g1", "e1", self.seq, body), Barrier(PROJECT, "e1", self.seq))

    def write(self, text: str, barrier: bool = True) -> None:
        """Let a write change the result of the group."""
        self.turn += 1
        self.seq += 1
        document = json.dumps({"_id": "d", "text": text}).encode()
        self.docs = document
        diff = Diff("g1", self.turn, self.seq, b'"put":[[0,%b]]' % document)
        self.send(diff, *((Barrier(PROJECT, "e1", self.seq, self.committed_at),) if barrier else ()))

    def send(self, *events: LiveEvent) -> None:
        assert self.stream is not None
        self.stream.put_nowait(events)

    def break_off(self) -> None:
        assert self.stream is not None
        self.stream.put_nowait(None)


class FakeBuncast:
    """A stream without events. `published`: the user and the data of each message. `go_on` holds publications back."""

    async def deliver(self, edge: str) -> AsyncIterator[tuple[Any, ...]]:
        yield ()
        await asyncio.Event().wait()

    def __init__(self) -> None:
        self.used: Counter[tuple[str, int]] = Counter()
        self.published: list[tuple[str | None, str]] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def publish(self, caller: Caller, messages: tuple[NewMessage, ...]) -> Publication:
        self.published += [(caller.user.uid if caller.user else None, one.data.decode()) for one in messages]
        await self.go_on.wait()
        return Publication(tuple([Published(one.channel, "e", 1) for one in messages]))

    async def beat(self, edge: str) -> None:
        """Accept the sign of life."""

    async def add_live_usage(self, batch: Batch[None], sent: datetime) -> Receipt:
        for one in batch.amounts:
            self.used[one.project, one.dimension] += one.amount
        return Receipt(sent, True)


class FakeIdentity:
    def __init__(self) -> None:
        self.on_revoked: list[Callable[[Revocation], None]] = []
        self.hears = True
        self.revoked_at = 0.0

    def hears_revocations(self) -> bool:
        return self.hears

    def revoke(self, id: str) -> None:
        for tell in self.on_revoked:
            tell(Revocation(RevokedKind.SESSION, id, at=self.revoked_at))


class FakeSignIn:
    """Accepts every token as the name of a user, with the session `ses_<name>`. No token means the secret key.

    `refuses`: the Problem of each check. `refused`: tokens that are not valid.
    """

    def __init__(self) -> None:
        self.refuses: Problem | None = None
        self.refused: set[str] = set()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.expires_in = math.inf
        self.role = "user"

    async def check(self, sender: Sender, origin: str | None, offered: Offered) -> SignedIn:
        await self.go_on.wait()
        if self.refuses is not None:
            raise self.refuses
        token = offered.token
        if token in self.refused:
            raise InvalidToken
        if not token:
            return SignedIn(offered, secret_caller(PROJECT), ("key_s",), math.inf)
        user = EndUser(token, None, self.role, {}, f"ses_{token}")
        caller = publishable_caller(PROJECT, user)
        return SignedIn(offered, caller, (f"ses_{token}",), time.time() + self.expires_in)


class FakeOutlet:
    transport = "fake"
    answers_pings = True

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.frames: list[bytes] = []
        self.waiting_bytes = 0
        self.closed: tuple[int, str] | None = None
        self.aborted = False

    def send(self, messages: Sequence[bytes], packed: Packed | None = None) -> int:
        frame = b"".join(messages)
        if packed is not None:
            frame = packed.setdefault(tuple(messages), frame)
        self.frames.append(frame)
        self.sent += [json.loads(message) for message in messages]
        return len(frame)

    def close(self, code: int, reason: str) -> None:
        self.closed = code, reason

    def abort(self) -> None:
        self.aborted = True

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.sent if message["t"] == kind]


class Client:
    def __init__(self, hall: Hall, ip: str = "192.0.2.1") -> None:
        self.outlet = FakeOutlet()
        self.session: Session = hall.server.begin(self.outlet, Sender(ip, "test"), None)

    def send(self, **message: Any) -> None:
        self.session.count(1)
        self.session.receive(json.dumps(message).encode())

    async def signed_in(self, token: str = "ada") -> Client:
        before = len(self.outlet.all("hello"))
        self.send(t="auth", key="pk_x", **({"token": token} if token else {}))
        await until(lambda: len(self.outlet.all("hello")) > before)
        return self

    async def watching(self, id: int = 1) -> Client:
        self.send(t="watch", id=id, query={"collection": "posts"})
        await until(lambda: self.outlet.all("now") and self.outlet.all("at"))
        return self

    @property
    def texts(self) -> str:
        return json.dumps(self.outlet.sent)


class Hall:
    """`server`: the LiveServer. The other fields are its neighbours."""

    def __init__(self, settings: LiveSettings) -> None:
        self.bundoc, self.identity, self.signing = FakeBundoc(), FakeIdentity(), FakeSignIn()
        self.buncast = FakeBuncast()
        rooms = LiveRooms(cast(Any, self.bundoc), cast(Any, self.buncast), SystemClock())
        self.server = LiveServer(settings, cast(Any, self.identity), cast(Any, None), rooms)
        self.server.sign_in = cast(Any, self.signing)

    async def client(self, token: str = "ada") -> Client:
        return await Client(self).signed_in(token)

    async def settled(self) -> None:
        """Wait until all sent messages have reached the outlets (the sending sides of connections)."""
        await asyncio.sleep(0.02)


@asynccontextmanager
async def hall(**settings: Any) -> AsyncIterator[Hall]:
    opened = Hall(LiveSettings(**settings))
    async with opened.server.running():
        await until(opened.server.queries.watches.open.is_set)
        yield opened


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(SECONDS):
        while not true():
            await asyncio.sleep(0.001)
