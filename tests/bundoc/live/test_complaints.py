"""Complaints about other live servers, as tests of Bundoc. tests/e2e/live/complaints.py lists all of them."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.live.window import HeldRow, Window
from bunbase.bundoc.query.parse import COMPARISONS, Reader
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec, Rules
from bunbase.contracts.bundoc.documents import Query
from bunbase.contracts.bundoc.live import Barrier, LiveQuery
from bunbase.contracts.caller import Caller
from tests.bundoc.live.following import SERVER, Following, ada, ids, put, ruled
from tests.bundoc.live.model import Held, ModelEdge

ROLES = ("admin", "editor", "user")
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    1,
    2,
    3.5,
    -4,
    "",
    "a",
    "ab",
    "b:c",
    "B",
    [],
    [1],
    ["a", 2],
    [{"k": 1}],
    {"k": 1},
    {"k": [1, 2]},
)
FILTERS: tuple[dict[str, Any], ...] = (
    {"v": None},
    {"v": "b:c"},
    {"v": {"$eq": {"k": 1}}},
    {"v": {"$ne": None}},
    {"v": {"$ne": 1}},
    {"v": {"$gt": 1}},
    {"v": {"$gte": "a"}},
    {"v": {"$lt": "b"}},
    {"v": {"$lte": 0}},
    {"v": {"$in": [1, "a", None]}},
    {"v": {"$nin": [1, "a"]}},
    {"v": {"$all": ["a", 2]}},
    {"v": {"$exists": False}},
    {"v": {"$size": 1}},
    {"v": {"$type": ["string", "array"]}},
    {"v": {"$mod": [2, 0]}},
    {"v": {"$startsWith": "a"}},
    {"v": {"$regex": "^B", "$options": "i"}},
    {"v": {"$not": {"$gt": 1}}},
    {"v": {"$elemMatch": {"k": 1}}},
    {"v.k": {"$in": [1, 2]}},
    {"$and": [{"v": {"$gte": 0}}, {"w": {"$ne": 1}}]},
    {"$or": [{"v": 1}, {"w": {"$gt": 1}}]},
    {"$nor": [{"v": 1}, {"w": 2}]},
)


async def page(service: BundocService, caller: Caller, query: LiveQuery) -> list[bytes]:
    """Return the documents that the query has over HTTP."""
    asked = Query(query.where, query.sort, query.limit or 200, None, query.select)
    found = await service.query(caller, query.collection, asked)
    return [bytes(one) for one in msgspec.json.decode(found.body, type=Items).items]


class Items(msgspec.Struct):
    items: list[msgspec.Raw]
    next_cursor: str | None = None


async def test_complaint_5_fifty_callers_of_mixed_roles_get_what_each_of_them_may_read(
    service: BundocService, following: Following
) -> None:
    rules = Rules(
        list="auth != null && (auth.role != 'user' || doc.owner == auth.uid || doc.public == true)",
        hidden={"salary": "auth.role != 'admin'", "notes": "auth.role == 'user' && doc.owner != auth.uid"},
    )
    await service.put_collection(SERVER, "posts", CollectionSpec(rules=rules))
    callers = [ada(f"u{number % 17}", ROLES[number % 3]) for number in range(50)]
    query = LiveQuery("posts", sort=("n",))
    held = [await following.watch(caller, number, query) for number, caller in enumerate(callers, 1)]
    draw, seq = random.Random(5), 0

    for step in range(60):
        fields: dict[str, Any] = {
            "owner": f"u{draw.randrange(17)}",
            "public": draw.random() < 0.5,
            "n": draw.randrange(9),
        }
        seq = await put(service, f"d{draw.randrange(12)}", **fields, salary=f"S{step}", notes=f"N{step}")
        if step % 20 == 19:
            await following.reached(seq)
            for caller, one in zip(callers, held, strict=True):
                assert [body for _, body in one.docs] == await page(service, caller, query), caller.user

    for caller, one in zip(callers, held, strict=True):
        said = b"".join(one.said)
        assert caller.user is not None
        assert caller.user.role == "admin" or b'"salary"' not in said


async def test_complaint_17_no_write_falls_between_a_result_and_its_first_change(
    service: BundocService, following: Following
) -> None:
    """A writer writes without pauses, while a thousand watches begin."""
    await put(service, "counter", n=0, topic="all")
    at = {0: 0}  # The key is the number of a change, and the value is the value that the change wrote.
    wrong: list[str] = []

    def on_barrier(edge: ModelEdge, barrier: Barrier) -> None:
        for number, held in edge.held.items():
            if held.started:
                value = msgspec.json.decode(held.docs[0][1])["n"]
                if at.get(barrier.seq, value) != value:
                    wrong.append(f"watch {number} holds {value} at {barrier.seq}, which wrote {at[barrier.seq]}")

    edge = ModelEdge(following.live, "busy", on_barrier)
    await edge.opened.wait()
    written, done = 0, asyncio.Event()

    async def write() -> None:
        nonlocal written
        while not done.is_set():
            written += 1
            at[await put(service, "counter", n=written, topic="all")] = written

    def more_than(before: int) -> bool:
        return written > before

    async def watch(number: int) -> None:
        # There are a hundred different queries with ten watches each.
        query = LiveQuery("posts", b'{"topic":"all"}', limit=1 + number % 100)
        edge.held[number] = Held(query, SERVER, [])
        await following.live.watch(SERVER, "busy", number, query)

    writing = asyncio.create_task(write())
    for first in range(1, 1001, 50):
        await asyncio.gather(*[watch(number) for number in range(first, first + 50)])
        await following.until(partial(more_than, written))
    done.set()
    await writing

    await following.until(lambda: all(one.started for one in edge.held.values()))
    await following.until(lambda: edge.at.endswith(f".{max(at)}"))
    assert written >= 20
    assert wrong == []
    assert {msgspec.json.decode(one.docs[0][1])["n"] for one in edge.held.values()} == {written}
    await edge.stop()


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 10, 25, 50])
@pytest.mark.usefixtures("few_spares")
def test_complaint_18_a_window_is_the_begin_of_the_sorted_result_or_asks_for_rows(limit: int) -> None:
    """Documents with equal keys, moves over the border of the window, deletions, and refills of missing rows."""
    draw, all_rows, refills = random.Random(limit), dict[str, HeldRow](), 0

    def row(id: str) -> HeldRow:
        return HeldRow(b"%d" % draw.randrange(4) + id.encode(), id, b"%d" % draw.getrandbits(40))

    def asked() -> Window:
        rows = sorted(all_rows.values(), key=lambda one: one.key)
        return Window(rows[: limit + 2], limit, len(rows) > limit + 2, len(rows))

    for number in range(2 * limit + 5):
        all_rows[f"d{number:03d}"] = row(f"d{number:03d}")
    window = asked()
    for _ in range(3000):
        id = f"d{draw.randrange(3 * limit + 5):03d}"
        new = None if draw.random() < 0.45 else row(id)
        window.change(id, new, (new is not None) - (id in all_rows))
        all_rows.pop(id, None)
        if new is not None:
            all_rows[id] = new
        if window.lacks_rows:
            window, refills = asked(), refills + 1
        assert window.shown == sorted(all_rows.values(), key=lambda one: one.key)[:limit]
        assert window.count == len(all_rows)
        assert window.by_id == {one.id: one for one in window.rows}
    assert refills > 5


async def test_complaint_19_every_operator_of_a_filter_means_live_what_it_means_in_a_query(
    service: BundocService, following: Following
) -> None:
    used = {name for filter in FILTERS for name in _names(filter) if name.startswith("$")}
    assert used >= {*Reader().operators, *COMPARISONS, "$and", "$or", "$nor"}
    queries = [LiveQuery("posts", msgspec.json.encode(filter), ("v",)) for filter in FILTERS]
    held = [await following.watch(SERVER, number, query) for number, query in enumerate(queries, 1)]
    draw = random.Random(19)

    for _ in range(6):
        for _ in range(25):
            fields: dict[str, Any] = {"v": draw.choice(VALUES), "w": draw.randrange(3)}
            if draw.random() < 0.2:
                del fields["v"]
            seq = await put(service, f"d{draw.randrange(20)}", **fields)
        await following.reached(seq)
        for query, one in zip(queries, held, strict=True):
            assert [body for _, body in one.docs] == await page(service, SERVER, query), query.where

    assert all(one.said for one in held)


async def test_complaint_20_a_document_and_the_membership_that_shows_it_move_in_one_commit(
    service: BundocService, following: Following
) -> None:
    await ruled(service, "auth != null && exists('members', doc.room + '_' + auth.uid)")
    await service.put_collection(SERVER, "members", CollectionSpec())
    mine, theirs = (
        await following.watch(ada(), 1, LiveQuery("posts")),
        await following.watch(ada("eve"), 2, LiveQuery("posts")),
    )

    for number in range(20):
        shown = number % 2 == 0
        membership = {
            "collection": "members",
            "id": "r1_ada",
            **({"op": "put", "data": {}} if shown else {"op": "delete"}),
        }
        row = {"op": "put", "collection": "posts", "id": "a", "data": {"room": "r1", "text": f"T{number}"}}
        writes = [membership, row] if number % 4 < 2 else [row, membership]
        done = await service.commit(SERVER, msgspec.json.encode({"writes": writes}))
        await following.reached(done.commit.seq)
        assert ids(mine) == (["a"] if shown else [])

    said = b"".join(mine.said)
    assert all((b'T%d"' % number in said) == (number % 2 == 0) for number in range(20))
    assert b"T" not in b"".join(theirs.said)


def _names(filter: Any) -> set[str]:
    """Return the names of all members of a filter."""
    if isinstance(filter, list):
        return {name for part in filter for name in _names(part)}
    if not isinstance(filter, dict):
        return set()
    return {*filter, *[name for part in filter.values() for name in _names(part)]}
