"""Random histories over the wire, compared at each barrier with the oracle of tests/bundoc/live.

A server with the secret key writes and changes rules; clients watch as users of several roles, as visitors and with the
secret key, over each transport. The test cuts the clients' connections. The clients resume with right, old and foreign
cursors, and renew their tokens.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
import msgspec

from bunbase.contracts.bundoc.live import LiveQuery
from bunbase.contracts.caller import Caller, EndUser
from tests.bundoc.live.checker import IDS, QUERIES
from tests.bundoc.live.comparing import Snapshot, Violation, compare, same
from tests.bundoc.live.oracle import VARIANTS, Doc, History, Variant, expected
from tests.e2e.live.wire import LINES, Client, Gone, Held
from tests.rooms import publishable_caller, secret_caller

SETTLE_SECONDS = 30.0
KILLED = 0.02  # In searches with kills, this share of steps kills the server.
WATCHED = ("notes", "tasks")  # In these collections of the oracle, nothing expires.
RESTART_SECONDS = 60.0
LATE = "late"  # Late results belong to this group.


class Person(msgspec.Struct, frozen=True):
    """A caller as the server knows it. `auth`: the members of the message `auth`.

    `email`: the address with which the person signs in again.
    """

    caller: Caller
    auth: dict[str, str]
    email: str = ""


class Site(msgspec.Struct, frozen=True):
    """A project of a running server. `people`: three users, one with the role admin, a visitor, and a server."""

    url: str
    project: str
    secret: str
    publishable: str
    people: tuple[Person, ...]

    @property
    def users(self) -> list[str]:
        return [one.caller.user.uid for one in self.people if one.caller.user]


PASSWORD = "a password of these tests"


async def prepared(http: httpx.AsyncClient, url: str, project: str, secret: str, publishable: str) -> Site:
    """Create the users of a new project, and its collections."""
    server = {"X-Bunbase-Key": secret}
    people = []
    for number, role in enumerate(("user", "user", "user", "admin")):
        email = f"u{number}@example.com"
        body = {"email": email, "password": PASSWORD, "role": role}
        (await http.post("/v1/auth/users", json=body, headers=server)).raise_for_status()
        people.append(await signed_in(http, project, publishable, email))
    people.append(Person(publishable_caller(project), {"key": publishable}))
    people.append(Person(secret_caller(project), {"key": secret}))
    for name in ("notes", "tasks", "members", "leases"):
        (await http.put(f"/v1/collections/{name}", json={}, headers=server)).raise_for_status()
    return Site(url, project, secret, publishable, tuple(people))


async def signed_in(http: httpx.AsyncClient, project: str, key: str, email: str) -> Person:
    body = {"email": email, "password": PASSWORD}
    answer = await http.post("/v1/auth/login", json=body, headers={"X-Bunbase-Key": key})
    answer.raise_for_status()
    found = answer.json()
    user = EndUser(found["user"]["id"], email, found["user"]["role"], {}, "session")
    return Person(publishable_caller(project, user), {"key": key, "token": found["access_token"]}, email)


Kill = Callable[[], Awaitable[None]]


class WireChecker:
    """One history. `seed` decides everything except the timing. `transports`: the transports of the clients.

    `kill`: a function that ends a process of the server with kill -9, and starts it again. A write without an answer is
    sent again.
    """

    def __init__(
        self, http: httpx.AsyncClient, site: Site, seed: int, transports: tuple[str, ...], kill: Kill | None = None
    ) -> None:
        self.http = http
        self.kill = kill
        self.kills = 0
        self.restores = 0  # A history over the wire has no restores.
        self.site = site
        self.server = {"X-Bunbase-Key": site.secret}
        self.random = random.Random(seed)
        self.transports = transports
        self.history = History()
        self.snapshots: list[Snapshot] = []
        self.clients: list[tuple[Client, Person]] = []
        self.numbers = itertools.count(1)
        self.tokens = itertools.count(1)
        self.checked = 0
        self.late = 0  # These results arrived separately from other results.
        self.resumed = 0
        self.epoch = ""

    async def run(self, steps: int) -> None:
        for collection in WATCHED:
            await self.set_rules(collection)
        try:
            for number in range(len(self.site.people)):
                self.clients.append(await self.connected(self.site.people[number]))
            for step in range(steps):
                await self.step()
                if step % 20 == 19:
                    await self.settle()
            await self.settle()
        finally:
            for client, _ in self.clients:
                await client.cut()

    async def step(self) -> None:
        acts = (self.write_some, self.watch_while_writing, self.unwatch, self.rules_and_watch, self.cut, self.renew)
        await self.random.choices(acts, (60, 25, 6, 6, 6, 3))[0]()
        if self.kill is not None and self.random.random() < KILLED:
            await self.kill_while_writing(self.kill)

    async def kill_while_writing(self, kill: Kill) -> None:
        """Kill the server during writes. Clients connect again and resume automatically."""
        self.kills += 1
        await asyncio.gather(kill(), *[self.write() for _ in range(6)])
        for number, (client, person) in enumerate(self.clients):
            if client.gone.is_set():
                await self.reconnect(number, client, person)

    # Methods of the writer.

    async def write_some(self) -> None:
        await asyncio.gather(*[self.write() for _ in range(self.random.randint(1, 4))])

    async def write(self) -> None:
        collection = self.random.choice(("notes", "notes", "tasks", "tasks", "members"))
        match self.random.choice(("put", "put", "put", "patch", "delete", "commit")):
            case "put":
                await self.put(collection)
            case "patch":
                await self.patch(collection)
            case "delete":
                id = self.new_id(collection)
                answer = await self.send("DELETE", _at(collection, id))
                if answer.is_success:
                    self.note(answer, collection, id, None)
            case _:
                await self.commit()

    async def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Repeat a write until the server answers. The server performs it once: each answer has the same number."""
        headers = {**self.server, "Idempotency-Key": f"{self.random.getrandbits(64):x}"}
        until = time.monotonic() + RESTART_SECONDS
        while True:
            with suppress(httpx.TransportError):
                answer = await self.http.request(method, path, json=body, headers=headers)
                if answer.status_code < 500 and answer.status_code != 409:
                    return answer
            assert time.monotonic() < until, "the server does not come back"
            await asyncio.sleep(0.1)

    async def put(self, collection: str) -> None:
        id, fields = self.new_id(collection), self.new_fields(collection)
        answer = await self.send("PUT", _at(collection, id), fields)
        answer.raise_for_status()
        self.note(answer, collection, id, answer.json())

    async def patch(self, collection: str) -> None:
        id, fields = self.new_id(collection), self.new_fields(collection)
        name = self.random.choice([one for one in fields if one not in ("t", "secret")])
        change = {name: fields[name], "t": fields["t"]} if "t" in fields else {name: fields[name]}
        answer = await self.send("PATCH", _at(collection, id), change)
        if answer.is_success:
            self.note(answer, collection, id, answer.json())

    async def commit(self) -> None:
        writes: dict[tuple[str, str], Doc] = {}
        for collection in self.random.choices(("notes", "tasks", "members"), k=self.random.randint(2, 5)):
            writes.setdefault((collection, self.new_id(collection)), self.new_fields(collection))
        body = [
            {"op": "put", "collection": collection, "id": id, "data": fields}
            for (collection, id), fields in writes.items()
        ]
        answer = await self.send("POST", "/v1/commit", {"writes": body})
        answer.raise_for_status()
        last = self.seq_of(answer)
        self.history.inside.update(range(last - len(writes) + 1, last))
        for number, ((collection, id), fields) in enumerate(writes.items(), last - len(writes) + 1):
            rev = answer.json()["results"][number - last + len(writes) - 1]["rev"]
            self.history.add(number, collection, id, {"_id": id, "_rev": rev, **fields})

    def note(self, answer: httpx.Response, collection: str, id: str, doc: Doc | None) -> None:
        kept = doc and {name: value for name, value in doc.items() if name not in ("_created", "_updated")}
        self.history.add(self.seq_of(answer), collection, id, kept)

    def seq_of(self, answer: httpx.Response) -> int:
        self.epoch, _, seq = answer.headers["x-bunbase-seq"].partition(".")
        return int(seq)

    def new_id(self, collection: str) -> str:
        if collection == "members":
            return f"{self.random.choice(('r1', 'r2'))}_{self.random.choice(self.site.users)}"
        return self.random.choice(IDS)

    def new_fields(self, collection: str) -> Doc:
        draw = self.random
        if collection == "members":
            return {"level": draw.randint(0, 2)}
        token = next(self.tokens)
        fields: Doc = {
            "owner": draw.choice(self.site.users),
            "public": draw.random() < 0.3,
            "room": draw.choice(("r1", "r2")),
            "level": draw.randint(0, 2),
            "tags": draw.sample(["x", "y"], draw.randint(0, 2)),
            "t": f"T{token}",
            "secret": f"S{token}",
        }
        return fields if draw.random() < 0.15 else {**fields, "n": draw.randint(0, 3)}

    # Methods that change rules.

    async def rules_and_watch(self) -> None:
        await asyncio.gather(self.set_rules(self.random.choice(WATCHED)), self.watch())

    async def set_rules(self, collection: str, variant: Variant | None = None) -> None:
        variant = variant or self.random.choice(VARIANTS[collection])
        self.history.rules[collection].append((self.history.last, variant))
        spec = {"rules": None if variant.rules is None else msgspec.to_builtins(variant.rules)}
        (await self.http.put(f"/v1/collections/{collection}", json=spec, headers=self.server)).raise_for_status()

    # Methods of the clients.

    async def connected(self, person: Person, resume: str = "") -> tuple[Client, Person]:
        """Return a new connection. While the server restarts, try again."""
        until = time.monotonic() + RESTART_SECONDS
        while True:
            line = LINES[self.random.choice(self.transports)](self.http)
            client = Client(line, person.auth, self.on_barrier)
            try:
                await client.open(resume)
                return client, person
            except (Gone, OSError, httpx.HTTPError, TimeoutError):
                await client.cut()
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.2)

    def on_barrier(self, client: Client) -> None:
        person = next((person for one, person in self.clients if one is client), None)
        epoch, _, seq = client.at.partition(".")
        for held in client.held.values():
            if person is not None and held.started and not held.unsure:
                self.late += held.group == LATE
                self.snapshots.append(
                    Snapshot(
                        epoch,
                        int(seq),
                        time.time(),
                        live_query(held.asked),
                        person.caller,
                        [(doc["_id"], _json(doc)) for doc in held.docs],
                        held.n,
                        tuple(_json(one) for one in held.said),
                        frozenset(held.before),
                        (),
                        min(seq_in(at) for at in (client.at, client.at_before, *begun(held)) if at),
                    )
                )
            held.said.clear()
            held.before.clear()

    async def watch_while_writing(self) -> None:
        await asyncio.gather(self.write(), self.watch(), self.write())

    async def watch(self) -> None:
        collection, asked = self.random.choice(WATCHED), self.random.choice(QUERIES)
        held = Held({"query": {"collection": collection, **asked}}, [])
        if self.random.random() < 0.15:
            held = Held({"doc": {"collection": collection, "id": self.random.choice(IDS)}}, [])
        client, _ = self.random.choice(self.clients)
        if len(client.held) < 12:
            with suppress(Gone):
                await client.watch(next(self.numbers), held, {})

    async def unwatch(self) -> None:
        client, _ = self.random.choice(self.clients)
        if client.held:
            with suppress(Gone):
                await client.unwatch(self.random.choice(list(client.held)))

    async def cut(self) -> None:
        """Cut a connection, write, and resume it with its own cursor, an old cursor, or another connection's cursor."""
        number = self.random.randrange(len(self.clients))
        client, person = self.clients[number]
        await client.cut()
        await self.write_some()
        await self.reconnect(number, client, person)

    async def reconnect(self, number: int, client: Client, person: Person) -> None:
        self.clients[number] = new, _ = await self.connected(person, client.name)
        for held in client.held.values():
            again, resume = Held(held.asked, []), {}
            if held.started and not held.unsure and client.at and self.random.random() < 0.85:
                at = client.at if self.random.random() < 0.85 else "abcdef.7"
                again.docs = held.docs
                resume = {"at": at, "g": held.group, "have": [doc["_id"] for doc in held.docs]}
                self.resumed += 1
            with suppress(Gone):
                await asyncio.gather(new.watch(next(self.numbers), again, resume), self.write_some())

    async def renew(self) -> None:
        """Send a new token of the same user on the open connection."""
        number = self.random.randrange(len(self.clients))
        client, person = self.clients[number]
        if person.email:
            new = await signed_in(self.http, self.site.project, self.site.publishable, person.email)
            self.clients[number] = client, new
            for held in client.held.values():
                held.unsure = True
            with suppress(Gone):
                await client.line.send({"t": "auth", **new.auth})

    # Methods that compare results.

    async def settle(self) -> None:
        """Wait until all clients have the present state, and compare all barriers with the oracle."""
        until = time.monotonic() + SETTLE_SECONDS
        while not self.current():
            for number, (client, person) in enumerate(self.clients):
                if client.fault:
                    raise client.fault
                if client.gone.is_set():
                    await self.reconnect(number, client, person)
            if time.monotonic() > until:
                raise Violation(self.what_differs())
            self.compare()
            await asyncio.sleep(0.01)
        self.compare()
        # A killed room causes this error.
        allowed = {"rule_denied"} if self.kill is None else {"rule_denied", "unreachable"}
        for client, _ in self.clients:
            assert all(problem["code"] in allowed for problem in client.ended.values()), client.ended
            for held in client.held.values():
                held.unsure = False

    def current(self) -> bool:
        return all(
            held.started and self.agrees(held, person)
            for client, person in self.clients
            for held in client.held.values()
        )

    def agrees(self, held: Held, person: Person) -> bool:
        query = live_query(held.asked)
        variant = self.history.rules[query.collection][-1][1]
        wanted = expected(self.history.state(self.history.last), variant, query, person.caller, time.time())
        return not wanted.denied and same([(doc["_id"], _json(doc)) for doc in held.docs], held.n, wanted)

    def what_differs(self) -> str:
        for client, person in self.clients:
            for number, held in client.held.items():
                if not (held.started and self.agrees(held, person)):
                    query = live_query(held.asked)
                    variant = self.history.rules[query.collection][-1][1]
                    wanted = expected(self.history.state(self.history.last), variant, query, person.caller, time.time())
                    over, caller = type(client.line).__name__, person.caller.user
                    return (
                        f"{number} over {over} at {client.at} of {self.history.last}: {query} for {caller}, "
                        f"started {held.started}, under {variant.name}:\n"
                        f"  holds  {held.docs} n={held.n}\n  wanted {wanted}"
                    )
        return "nothing differs any more"

    def compare(self) -> None:
        self.snapshots.sort(key=lambda one: one.seq)
        for one in self.snapshots:
            compare(self.history, one)
        self.checked += len(self.snapshots)
        self.snapshots.clear()


def begun(held: Held) -> list[str]:
    """Return the states of the whole results that came since the last barrier."""
    return [one["at"] for one in held.said if one["t"] == "now"]


def seq_in(at: str) -> int:
    return int(at.partition(".")[2])


def live_query(asked: dict[str, Any]) -> LiveQuery:
    if "doc" in asked:
        return LiveQuery(asked["doc"]["collection"], id=asked["doc"]["id"])
    query = asked["query"]
    where = _json(query["where"]) if "where" in query else None
    return LiveQuery(
        query["collection"],
        where,
        tuple(query.get("sort", ())),
        query.get("limit"),
        tuple(query["select"]) if "select" in query else None,
        query.get("count", False),
    )


def _at(collection: str, id: str) -> str:
    return f"/v1/data/{collection}/{id}"


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
