"""Random histories with a real Bundoc behind live connections, some of which are late at any time.

The model of a client is the same as in the histories over the wire, but its messages cross no socket here.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from bunbase.bundoc.room import BundocRoom
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.caller import Caller
from bunbase.gateway.credentials import Sender
from bunbase.gateway.live.outlet import Packed
from bunbase.gateway.live.server import LiveRooms, LiveServer
from bunbase.gateway.live.session import Session
from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.live.sign_in import Offered, SignedIn
from bunbase.pkg.clock import SystemClock
from tests.bundoc.live import checker as checking
from tests.bundoc.live.checker import IDS, QUERIES, Checker
from tests.bundoc.live.comparing import Snapshot, Violation, same
from tests.bundoc.live.oracle import VARIANTS, History, expected
from tests.e2e.live.histories import LATE, begun, live_query, seq_in
from tests.e2e.live.wire import Client, Held
from tests.gateway.live.others import FakeBuncast, FakeIdentity, FakeOutlet, until

COLLECTIONS = ("notes", "tasks")  # In these collections, no document expires.
MOST_RUNS = 10


class CallersSignIn:
    """A check of sign-ins that accepts the number of a caller as token."""

    def __init__(self, callers: Sequence[Caller]) -> None:
        self.callers = callers

    async def check(self, sender: Sender, origin: str | None, offered: Offered) -> SignedIn:
        return SignedIn(offered, self.callers[int(offered.token)], (f"ses_{offered.token}",), float("inf"))


class ModelOutlet(FakeOutlet):
    def __init__(self, model: Client) -> None:
        super().__init__()
        self.model = model

    def send(self, messages: Sequence[bytes], packed: Packed | None = None) -> int:
        for message in messages:
            self.model.take(json.loads(message))
        return super().send(messages, packed)


class Connection:
    """A session of a caller, and the model of its client."""

    def __init__(self, server: LiveServer, checker: GatewayChecker, caller: Caller) -> None:
        self.caller = caller
        self.model = Client(cast(Any, None), {}, lambda _model: checker.on_at(self))
        self.session: Session = server.begin(ModelOutlet(self.model), Sender("192.0.2.1", "test"), None)

    def send(self, **message: Any) -> None:
        self.session.receive(json.dumps(message).encode())


class GatewayChecker(Checker):
    """`late_results`: the number of compared results that arrived separately."""

    def __init__(self, room: BundocRoom, seed: int) -> None:
        super().__init__(room, seed)
        self.late_results = 0
        self.connections: list[Connection] = []

    async def run(self, steps: int, enough: Callable[[], bool] = lambda: True) -> None:
        """Do `steps`, and then more steps until `enough`.

        How many results come with one barrier depends on the machine.
        """
        for collection in ("notes", "tasks", "members"):
            await self.service.put_collection(self.server, collection, CollectionSpec())
        self.history = self.histories[await self.epoch()] = History()
        for collection in VARIANTS:
            await self.set_rules(collection)
        rooms = LiveRooms(cast(Any, self.service), cast(Any, FakeBuncast()), SystemClock())
        server = LiveServer(LiveSettings(), cast(Any, FakeIdentity()), cast(Any, None), rooms)
        server.sign_in = cast(Any, CallersSignIn(self.callers))
        async with server.running():
            await until(server.queries.watches.open.is_set)
            for number, caller in enumerate(self.callers):
                connection = Connection(server, self, caller)
                self.connections.append(connection)
                connection.send(t="auth", key="pk_x", token=str(number))
                await until(connection.model.begun.is_set)
            for step in range(steps * MOST_RUNS):
                await self.step()
                if step % 20 == 19:
                    await self.settle()
                    if step + 1 >= steps and enough():
                        return
        raise AssertionError(f"{self.checked} results were compared, {self.late_results} of them late")

    async def step(self) -> None:
        acts = (self.write_some, self.watch_while_writing, self.unwatch, self.set_some_rules)
        await self.random.choices(acts, (60, 25, 6, 3))[0]()

    async def set_some_rules(self) -> None:
        await self.set_rules(self.random.choice(COLLECTIONS))

    async def watch(self) -> None:
        connection, asked = self.random.choice(self.connections), self.random.choice(QUERIES)
        collection = self.random.choice(COLLECTIONS)
        held = Held({"query": {"collection": collection, **asked}}, [])
        if self.random.random() < 0.15:
            held = Held({"doc": {"collection": collection, "id": self.random.choice(IDS)}}, [])
        number = next(self.numbers)
        connection.model.held[number] = held
        connection.send(t="watch", id=number, **held.asked)

    async def unwatch(self) -> None:
        connection = self.random.choice(self.connections)
        if connection.model.held:
            number = self.random.choice(list(connection.model.held))
            del connection.model.held[number]
            connection.send(t="unwatch", id=number)

    def on_at(self, connection: Connection) -> None:
        model = connection.model
        epoch, _, seq = model.at.partition(".")
        for held in model.held.values():
            if held.started:
                self.late_results += held.group == LATE
                docs = [(doc["_id"], json.dumps(doc).encode()) for doc in held.docs]
                said = tuple(json.dumps(one, separators=(",", ":")).encode() for one in held.said)
                since = min(seq_in(at) for at in (model.at, model.at_before, *begun(held)) if at)
                query, before = live_query(held.asked), frozenset(held.before)
                self.snapshots.append(
                    Snapshot(
                        epoch, int(seq), time.time(), query, connection.caller, docs, held.n, said, before, (), since
                    )
                )
            held.said.clear()
            held.before.clear()

    async def settle(self) -> None:
        """Wait until all clients have the present state, and compare all barriers with the oracle."""
        last = time.monotonic() + checking.SETTLE_SECONDS
        while lagging := self.lagging():
            self.compare()
            if time.monotonic() > last:
                raise Violation(f"not reached: {lagging[0].asked} holds {lagging[0].docs}")
            await asyncio.sleep(0.005)
        self.compare()

    def lagging(self) -> list[Held]:
        return [held for one in self.connections for held in one.model.held.values() if self.lags(one, held)]

    def lags(self, connection: Connection, held: Held) -> bool:
        query = live_query(held.asked)
        variant = self.history.rules[query.collection][-1][1]
        state = self.history.state(self.history.last)
        wanted = expected(state, variant, query, connection.caller, time.time())
        docs = [(doc["_id"], json.dumps(doc).encode()) for doc in held.docs]
        return not held.started or wanted.denied or not same(docs, held.n, wanted)
