"""A commit whose writes would take too long ends early, and names the write. A batch with much work ends early, too."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.commits import steps_of
from bunbase.bundoc.documents import MAX_BYTES, fields_of, read_fields
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine import writer
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.sqlite_engine.transaction import Transaction
from bunbase.bundoc.update import costs
from bunbase.bundoc.update.apply import updated
from bunbase.bundoc.update.costs import CommitWork
from bunbase.bundoc.update.parse import parse_update
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.problems import CommitTooSlow
from tests.bundoc.permissions.asking import SERVER

P, C = "prj_a", "posts"
SORTED = {"$push": {"list": {"$each": [7], "$sort": 1}}}
ALTERNATIVES = {"properties": {"list": {"items": {"anyOf": [{"type": "string"}, {"minimum": 0}, {"const": 1}]}}}}
WORK: dict[str, Any] = {
    "$push with $sort": SORTED,
    "$addToSet": {"$addToSet": {"list": 7}},
    "$pull": {"$pull": {"list": {"$gt": 7}}},
    "$pullAll": {"$pullAll": {"list": [7]}},
    "$max": {"$max": {"list": [0]}},
    "positions": {"$set": {"list.$[x]": 1}, "arrayFilters": [{"x": {"$gt": 7}}]},
    "a path": {"$set": {"list.0": 7}},
    "$push": {"$push": {"list": 7}},
    "$rename": {"$rename": {"object.a": "other"}},
    "a merge patch": {"other": 7},
    "an update": {"$set": {"other": 7}},
}


async def made(service: BundocService, documents: int, values: int, **spec: Any) -> None:
    await service.put_collection(SERVER, C, CollectionSpec(**spec))
    for number in range(documents):
        data = {"_id": f"d{number}", "list": [value % 9 for value in range(values)], "object": {"b": "x" * values * 2}}
        await service.create(SERVER, C, msgspec.json.encode(data))


def patches(documents: int, changes: Any, times: int = 1) -> bytes:
    one = [{"op": "patch", "collection": C, "id": f"d{number}", "data": changes} for number in range(documents)]
    return msgspec.json.encode({"writes": one * times})


async def test_a_commit_that_takes_too_long_names_its_write_and_changes_nothing(
    service: BundocService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "MOST_WORK", 50_000)
    await made(service, 1, 300)  # A sort of 300 numbers takes about 2 ms.

    with pytest.raises(CommitTooSlow) as refused:
        await service.commit(SERVER, patches(1, SORTED, times=500))

    assert refused.value.status == 422
    assert 15 < refused.value.extra["write"] < 40
    assert (await service.get(SERVER, C, "d0")).rev == 1
    await service.commit(SERVER, patches(1, SORTED, times=refused.value.extra["write"]))


@pytest.mark.parametrize("kind", WORK)
async def test_each_kind_of_work_on_a_large_document_counts(
    service: BundocService, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    await made(service, 1, 4000)
    changes = WORK[kind]

    await service.commit(SERVER, patches(1, changes))  # One write is far from the limit.
    monkeypatch.setattr(costs, "MOST_WORK", 100)
    with pytest.raises(CommitTooSlow):
        await service.commit(SERVER, patches(1, changes))


async def test_the_checks_of_a_schema_count(service: BundocService, monkeypatch: pytest.MonkeyPatch) -> None:
    await made(service, 2, 2000, schema=ALTERNATIVES)
    writes = [{"op": "put", "collection": C, "id": f"d{n}", "data": {"list": [1] * 2000}} for n in range(2)]
    sent = msgspec.json.encode({"writes": writes})

    await service.commit(SERVER, sent)
    monkeypatch.setattr(costs, "MOST_WORK", 1500)
    with pytest.raises(CommitTooSlow) as refused:
        await service.commit(SERVER, sent)
    assert refused.value.extra["write"] == 1


def test_one_operator_on_the_largest_document_is_never_too_much() -> None:
    """The test asks for the estimate of the most expensive operator, and does not run the operator."""
    text = b'{"list":[' + b",".join([b"1"] * (MAX_BYTES // 2 - 10)) + b"]}"
    tests = costs.Tests(work := CommitWork())

    tests.opened(read_fields(text)["list"])
    tests.keys(read_fields(text)["list"], sorted=True)
    work.change(text, text)

    assert work.done < costs.MOST_WORK


def test_many_renames_to_a_large_object_are_too_much_for_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these operators reads the object of its target again."""
    monkeypatch.setattr(costs, "MOST_WORK", 20_000)
    fields = fields_of(msgspec.json.encode({"a": {}, "b": {f"x{n}": n for n in range(2000)}}))
    renames = {f"a.x{number}": f"b.y{number}" for number in range(30)}

    with pytest.raises(CommitTooSlow):
        updated(fields, parse_update(fields_of(msgspec.json.encode({"$rename": renames}))), "", CommitWork())


async def test_a_batch_ends_after_much_work_and_the_rest_follows_in_order(
    engine: SqliteEngine, service: BundocService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(service, 4, 500)
    monkeypatch.setattr(writer, "BATCH_WORK", 4000)  # A sort of 500 numbers counts as 3,000.
    batches: list[int] = []
    attempts = writer.Writer._attempts

    def noted(self: Any, transaction: Transaction, batch: list[Any]) -> list[Any]:
        done = attempts(self, transaction, batch)
        batches.append(len(done))
        return done

    monkeypatch.setattr(writer.Writer, "_attempts", noted)

    steps = [steps_of(patches(1, {"$push": {"list": {"$each": [n], "$sort": 1}}, "$set": {"at": n}})) for n in range(6)]
    done = await asyncio.gather(*(engine.commit(P, one) for one in steps))

    assert max(batches) <= 2
    assert sum(batches) == 6
    assert [one.results[0].rev for one in done if one.results[0]] == [2, 3, 4, 5, 6, 7]
    assert msgspec.json.decode((await service.get(SERVER, C, "d0")).body)["at"] == 5
