"""Drive random histories against live queries, and compare each barrier with the oracle."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bunbase.bundoc.live.group import MINUTE
from bunbase.bundoc.room import BundocRoom
from bunbase.contracts.bundoc.backups import JobState, ProjectRestoring
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Query
from bunbase.contracts.bundoc.live import Barrier, Behind, LiveQuery, NoLiveStream
from bunbase.contracts.bundoc.problems import BundocBusy, RuleDenied
from bunbase.contracts.caller import Caller, EndUser
from bunbase.pkg.errors import Problem
from tests.bundoc.backups.backed_up import backed_up, restored
from tests.bundoc.live.comparing import Snapshot, Violation, compare, same
from tests.bundoc.live.model import Held, ModelEdge, whole
from tests.bundoc.live.oracle import EXPIRES, LEASED, NONE, VARIANTS, Doc, Expected, History, Variant, expected
from tests.rooms import member_caller, publishable_caller, secret_caller

SETTLE_SECONDS = 20.0
IDS = [f"d{number}" for number in range(14)]
USERS = ("u1", "u2", "u3")
QUERIES: tuple[dict[str, Any], ...] = (
    {},
    {"sort": ("n",), "limit": 3},
    {"sort": ("-n", "room"), "limit": 2, "count": True},
    {"where": {"n": {"$gte": 2}}, "count": True},
    {"where": {"room": "r1"}, "sort": ("-n",), "limit": 1},
    {"where": {"tags": "x", "n": {"$ne": 0}}, "sort": ("n",)},
    {"where": {"$or": [{"room": "r2"}, {"n": {"$lt": 2}}]}, "select": ("n", "t")},
    {"where": {"owner": "u1"}, "sort": ("room", "-n"), "limit": 4},
    {"where": {"n": {"$in": [1, 3]}}, "select": ("room",), "sort": ("-_id",), "limit": 2, "count": True},
)


def user(project: str, uid: str, role: str = "user") -> Caller:
    return publishable_caller(project, EndUser(uid, f"{uid}@example.com", role, {}, f"ses_{uid}"))


class Checker:
    """One history: a writer, edges that watch, and the oracle. `seed` decides everything except the timing.

    `again`: the number of histories that this Bundoc has had, if other histories had the same seed.
    """

    def __init__(self, service: BundocRoom, seed: int, again: int = 0) -> None:
        self.project = f"prj_{seed:08d}{again:04d}"
        self.server = secret_caller(self.project)
        users = [user(self.project, uid) for uid in USERS]
        self.callers = [*users, user(self.project, "u9", "admin"), publishable_caller(self.project), self.server]
        self.service = service
        self.live = service.live_queries
        self.random = random.Random(seed)
        self.owner = member_caller(self.project)
        self.histories: dict[str, History] = {}
        self.backup: tuple[str, History] | None = None
        self.snapshots: list[Snapshot] = []
        self.edges: list[ModelEdge] = []
        self.numbers = itertools.count(1)
        self.tokens = itertools.count(1)
        self.checked = 0
        self.resumed = 0
        self.restores = 0
        self.kills = 0  # This history has no processes that could be killed.
        self.late = 0  # This counts the watches that fell behind.
        self.catching: set[asyncio.Task[None]] = set()

    async def run(self, steps: int) -> None:
        for collection in ("notes", "tasks", "members"):
            await self.service.put_collection(self.server, collection, CollectionSpec())
        self.history = self.histories[await self.epoch()] = History()
        for collection in VARIANTS:
            await self.set_rules(collection)
        self.edges = [self.new_edge(name) for name in ("gateway-1", "gateway-2")]
        try:
            for edge in self.edges:
                await edge.opened.wait()
            for step in range(steps):
                await self.step()
                if step % 20 == 19:
                    await self.settle()
            await self.settle()
        finally:
            for task in self.catching:
                task.cancel()
            for edge in self.edges:
                await edge.stop()

    async def step(self) -> None:
        act = self.random.choices(
            (
                self.write_some,
                self.watch_while_writing,
                self.unwatch,
                self.rules_and_watch,
                self.cut,
                self.recheck,
                self.drop,
                self.rotate,
                self.check,
                self.delete_expired,
                self.restore,
            ),
            (60, 25, 6, 6, 5, 4, 1, 1, 8, 2, 2),
        )[0]
        for edge in self.edges:
            if edge.reading.done():
                edge.reading.result()
        await act()

    # Methods of the writer.

    async def write_some(self) -> None:
        await asyncio.gather(*[self.write() for _ in range(self.random.randint(1, 4))])

    async def write(self) -> None:
        collection = self.random.choice(("notes", "notes", "tasks", "tasks", "members", "leases"))
        match self.random.choice(("put", "put", "put", "patch", "delete", "commit")):
            case "put":
                id, fields = self.new_id(collection), self.new_fields(collection)
                done = await self.service.put(self.server, collection, id, _json(fields), NO_PRECONDITION)
                self.note(done.written.seq if done.written else "", collection, id, fields, done.rev)
            case "patch":
                await self.patch(collection)
            case "delete":
                id = self.new_id(collection)
                with suppress(Problem):
                    written = await self.service.delete(self.server, collection, id, NO_PRECONDITION)
                    self.note(written.seq, collection, id, None, 0)
            case _:
                await self.commit()

    async def patch(self, collection: str) -> None:
        """Change one field, and the token."""
        id, fields = self.new_id(collection), self.new_fields(collection)
        name = self.random.choice([one for one in fields if one not in ("t", "secret")])
        change = {name: fields[name], "t": fields["t"]} if "t" in fields else {name: fields[name]}
        with suppress(Problem):
            done = await self.service.patch(self.server, collection, id, _json(change), NO_PRECONDITION)
            whole = msgspec.json.decode(done.body)
            kept = {key: value for key, value in whole.items() if not key.startswith("_")}
            self.note(done.written.seq if done.written else "", collection, id, kept, done.rev)

    async def commit(self) -> None:
        """Write documents in several collections at once. Often a membership and one of its rows change together."""
        writes: list[Doc] = []
        noted: list[tuple[str, str, Doc]] = []
        for collection in self.random.choices(("notes", "tasks", "members"), k=self.random.randint(2, 5)):
            id = self.new_id(collection)
            if (collection, id) in [(one, at) for one, at, _ in noted]:
                continue
            fields = self.new_fields(collection)
            writes.append({"op": "put", "collection": collection, "id": id, "data": fields})
            noted.append((collection, id, fields))
        done = (await self.service.commit(self.server, _json({"writes": writes}))).commit
        for number, ((collection, id, fields), result) in enumerate(zip(noted, done.results, strict=True)):
            self.history.inside.update(range(done.seq - len(noted) + 1, done.seq))
            self.note(f"e.{done.seq - len(noted) + 1 + number}", collection, id, fields, result.rev)

    def note(self, seq: str, collection: str, id: str, fields: Doc | None, rev: int) -> None:
        doc = None if fields is None else {"_id": id, "_rev": rev, **fields}
        self.history.add(int(seq.partition(".")[2]), collection, id, doc)

    def new_id(self, collection: str) -> str:
        if collection in ("members", "leases"):
            return f"{self.random.choice(('r1', 'r2'))}_{self.random.choice(USERS)}"
        return self.random.choice(IDS)

    def new_fields(self, collection: str) -> Doc:
        draw = self.random
        if collection == "members":
            return {"level": draw.randint(0, 2)}
        if collection == "leases":
            ends = datetime.now(UTC) + timedelta(seconds=draw.choice((0.05, 0.3, 1, 3600)))
            return {"level": draw.randint(0, 2), "until": ends.isoformat(timespec="milliseconds")}
        token = next(self.tokens)
        fields: Doc = {
            "owner": draw.choice(USERS),
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
        await asyncio.gather(self.set_rules(self.random.choice(list(VARIANTS))), self.watch())

    async def set_rules(self, collection: str, variant: Variant | None = None) -> None:
        variant = variant or self.random.choice(VARIANTS[collection])
        await self.catch_up()
        self.history.rules[collection].append((self.history.last, variant))
        spec = CollectionSpec(rules=variant.rules, expires=EXPIRES.get(collection))
        await self.service.put_collection(self.server, collection, spec)

    async def drop(self) -> None:
        collection = self.random.choice(("notes", "tasks"))
        await self.catch_up()
        there = list(self.history.state(self.history.last).get(collection, {}))
        for number, id in enumerate(there):
            self.history.add(self.history.last + 1, collection, id, None)
            if number < len(there) - 1:
                self.history.inside.add(self.history.last)
        self.history.rules[collection].append((self.history.last, NONE))
        await self.service.drop_collection(self.server, collection)
        await self.settle()
        await self.set_rules(collection)

    async def rotate(self) -> None:
        """Replace the project's file while reads and writes continue."""
        with suppress(BundocBusy):
            await self.service.rotate_data_key(self.owner)

    async def stands(self) -> str:
        return await self.service.documents.engine.reached(self.project, "", 0, 0)

    async def epoch(self) -> str:
        return (await self.stands()).partition(".")[0]

    async def catch_up(self) -> None:
        """Tell the oracle the number of the newest change, which may be the deletion of an expired document."""
        self.history.last = max(self.history.last, int((await self.stands()).partition(".")[2]))

    async def delete_expired(self) -> None:
        await asyncio.gather(self.service.documents.tend(), self.watch())

    async def restore(self) -> None:
        """Make a backup, or restore it while a client watches."""
        if self.backup is None:
            self.backup = await backed_up(self.service, self.owner), self.history.restored()
            return
        backup, state = self.backup
        done, _ = await asyncio.gather(restored(self.service, backup, self.owner, self.owner), self.watch())
        assert done.state is JobState.DONE, done.problem
        self.history = self.histories[await self.epoch()] = state.restored()
        self.restores += 1

    # Methods of the edges.

    async def check(self) -> None:
        """Let the server send a digest of each result, while writes continue. The edges compare the digests."""
        self.live.checked -= MINUTE
        await asyncio.gather(self.live.check(), self.write())

    def new_edge(self, name: str) -> ModelEdge:
        return ModelEdge(self.live, name, self.on_barrier, self.on_behind)

    def on_behind(self, edge: ModelEdge, event: Behind) -> None:
        for number in event.numbers:
            if (held := edge.held.get(number)) is not None:
                self.late += 1
                task = asyncio.create_task(self.bring_up(edge, number, held, event.dear))
                self.catching.add(task)
                task.add_done_callback(self.caught_up)

    def caught_up(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            self.catching.discard(task)

    async def bring_up(self, edge: ModelEdge, number: int, held: Held, dear: bool) -> None:
        """Request the results of a late watch, and of other watches of its caller, all at one change.

        After that, watch again.
        """
        if dear:
            others = [one for one in edge.held.values() if one is not held and one.caller == held.caller]
            asked = [held, *self.random.sample(others, min(2, len(others)))]
            with suppress(ProjectRestoring):
                await self.compare_results(held.caller, [one.query for one in asked])
        if edge in self.edges and edge.held.get(number) is held:
            del edge.held[number]
            with suppress(NoLiveStream):  # The stream was cut at this moment, and its watches begin again.
                await self.enter(edge, Held(held.query, held.caller, held.docs))

    async def compare_results(self, caller: Caller, queries: list[LiveQuery]) -> None:
        found = await self.live.results(caller, tuple(queries))
        for query, one in zip(queries, found.results, strict=True):
            if one.problem is not None:
                assert one.problem["code"] == "rule_denied", one.problem
                continue
            docs, n = whole(one.body)
            said, trace = (one.body,), ("results",)
            when = time.time()
            self.snapshots.append(
                Snapshot(found.epoch, found.seq, when, query, caller, docs, n, said, frozenset(), trace)
            )

    def on_barrier(self, edge: ModelEdge, barrier: Barrier) -> None:
        for held in edge.held.values():
            if held.started and not held.waiting and not held.unsure:
                said, before = tuple(held.said), frozenset(held.before)
                self.snapshots.append(
                    Snapshot(
                        barrier.epoch,
                        barrier.seq,
                        time.time(),
                        held.query,
                        held.caller,
                        list(held.docs),
                        held.n,
                        said,
                        before,
                        tuple(held.trace[-20:]),
                    )
                )
            held.said.clear()
            held.before.clear()

    async def watch_while_writing(self) -> None:
        await asyncio.gather(self.write(), self.watch(), self.write())

    async def watch(self) -> None:
        asked = self.random.choice(QUERIES)
        collection = self.random.choice(list(VARIANTS))
        where = _json(asked["where"]) if "where" in asked else None
        query = LiveQuery(collection, **{**asked, "where": where})
        if self.random.random() < 0.15:
            query = LiveQuery(collection, id=self.random.choice(IDS))
        await self.enter(self.random.choice(self.edges), Held(query, self.random.choice(self.callers), []))

    async def enter(self, edge: ModelEdge, held: Held, query: LiveQuery | None = None) -> None:
        number = next(self.numbers)
        edge.held[number] = held
        try:
            await self.live.watch(held.caller, edge.name, number, query or held.query)
            held.settled = True
        except (RuleDenied, ProjectRestoring):
            edge.held.pop(number, None)
        except NoLiveStream:
            edge.reading.result()
            raise

    async def unwatch(self) -> None:
        edge = self.random.choice(self.edges)
        if edge.held:
            number = self.random.choice(list(edge.held))
            del edge.held[number]
            await self.live.unwatch(edge.name, (number,))

    async def recheck(self) -> None:
        edge = self.random.choice(self.edges)
        if settled := [number for number, held in edge.held.items() if held.settled]:
            number = self.random.choice(settled)
            held, caller = edge.held[number], self.random.choice(self.callers)
            held.waiting, held.caller = True, caller
            held.checks += 1
            held.trace.append(f"recheck for {caller.user and caller.user.uid}")
            held.said.clear()
            moved = await self.live.recheck(caller, edge.name, (number,))
            if not moved:
                assert not held.lacks, "a watch that did not move has lost a diff"
                held.waiting, held.unsure = False, True
                held.trace.append("not moved")

    async def cut(self) -> None:
        """Cut a stream at any event, write, and resume with its own cursor, an old one, or another stream's cursor."""
        number = self.random.randrange(len(self.edges))
        edge = self.edges[number]
        await edge.stop()
        await self.write_some()
        self.edges[number] = new = self.new_edge(edge.name)
        await new.opened.wait()
        for held in edge.held.values():
            if held.waiting:
                continue
            at = edge.at
            if self.random.random() < 0.2:
                at = "abcdef.7"
            query = held.query
            if held.started and self.random.random() < 0.85:
                have = tuple(id for id, _ in held.docs)
                query = msgspec.structs.replace(held.query, at=at, v=held.v, have=have)
                self.resumed += 1
            await asyncio.gather(self.enter(new, Held(held.query, held.caller, held.docs), query), self.write_some())

    # Methods that compare results.

    async def settle(self) -> None:
        """Wait until all edges hold the present state, and compare all barriers with the oracle."""
        until = time.monotonic() + SETTLE_SECONDS
        while not all(self.is_current(edge) for edge in self.edges):
            for task in self.catching:
                if task.done():
                    task.result()
            if any(edge.reading.done() for edge in self.edges) or time.monotonic() > until:
                self.say_what_differs()
            self.compare()
            await asyncio.sleep(0.005)
        self.compare()
        for edge in self.edges:
            for held in edge.held.values():
                held.unsure = False
            for held in self.random.sample(list(edge.held.values()), min(3, len(edge.held))):
                await self.compare_bytes(held)

    def say_what_differs(self) -> None:
        for edge in self.edges:
            if edge.reading.done():
                edge.reading.result()
            for number, held in edge.held.items():
                if not (held.started and not held.waiting and self.agrees(held)):
                    wanted, variant = self.wanted(held), self.history.rules[held.query.collection][-1][1]
                    raise Violation(
                        f"{number} on {edge.name} at {edge.at} of {self.history.last}: {held.query} for "
                        f"{held.caller.user}, started {held.started}, waiting {held.waiting}, under {variant.name}:\n"
                        f"  holds  {[body for _, body in held.docs]} n={held.n}\n  wanted {wanted}"
                    )

    def is_current(self, edge: ModelEdge) -> bool:
        return all(held.started and not held.waiting and self.agrees(held) for held in list(edge.held.values()))

    def agrees(self, held: Held) -> bool:
        wanted = self.wanted(held)
        return not wanted.denied and same(held.docs, held.n, wanted)

    def wanted(self, held: Held) -> Expected:
        """Return the result that the watch must show now."""
        variant = self.history.rules[held.query.collection][-1][1]
        return expected(self.history.state(self.history.last), variant, held.query, held.caller, time.time())

    def compare(self) -> None:
        self.snapshots.sort(key=lambda one: one.seq)
        for one in self.snapshots:
            compare(self.histories[one.epoch], one)
        self.checked += len(self.snapshots)
        self.snapshots.clear()

    async def compare_bytes(self, held: Held) -> None:
        """Compare the bytes with the answer to the same query over HTTP."""
        query = held.query
        if query.collection == "leases" or self.history.rules[query.collection][-1][1] is LEASED:
            return  # Documents may expire meanwhile.
        try:
            if query.id is not None:
                wanted = [(await self.service.get(held.caller, query.collection, query.id)).body]
            else:
                asked = Query(query.where, query.sort, query.limit or 200, None, query.select)
                page = await self.service.query(held.caller, query.collection, asked)
                wanted = [bytes(one) for one in msgspec.json.decode(page.body, type=Items).items]
        except Problem:
            wanted = []
        if wanted != [body for _, body in held.docs] and not (query.id is not None and query.select):
            raise Violation(f"{query} for {held.caller.user} holds {held.docs}, and the query returns {wanted}")


class Items(msgspec.Struct):
    items: list[msgspec.Raw]


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)
