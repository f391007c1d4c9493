"""Expiry of documents. After its time, no read shows a document, and BunBase soon deletes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.altering import Expire
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.sqlite_engine.expiry import ends_at
from bunbase.bundoc.writes import CommitStep, Create
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Aggregation, Query
from bunbase.contracts.bundoc.problems import DocumentNotFound, UniqueViolation
from bunbase.contracts.caller import Caller, CallerKind
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms

CALLER = Caller(CallerKind.SECRET, project="prj_a")
PAST, FUTURE = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00.000Z"
TIMED = CollectionSpec(expires="ends.at")


async def put(service: BundocService, id: str, ends: Any, **fields: Any) -> None:
    body = msgspec.json.encode({"ends": {"at": ends}, **fields})
    await service.put(CALLER, "sessions", id, body, NO_PRECONDITION)


async def listed(service: BundocService) -> list[str]:
    page = msgspec.json.decode((await service.list(CALLER, "sessions", 100, None)).body)
    return [one["_id"] for one in page["items"]]


@pytest.mark.parametrize(
    ("body", "at"),
    [
        (b'{"ends":{"at":"1970-01-01T00:00:01.5Z"}}', 1500),
        (b'{"ends":{"at":"1970-01-01T01:00:00+01:00"}}', 0),
        (b'{"ends":{"at":"1970-01-01T00:00:02"}}', None),
        (b'{"ends":{"at":"1970-01-01T00:00:02+0100"}}', None),
        (b'{"ends":{"at":"1970-01-01T00:00:02+01"}}', None),
        (b'{"ends":{"at":"1970-01-01 00:00:02Z"}}', None),
        ('{"ends":{"at":"197٠-01-01T00:00:02Z"}}'.encode(), None),
        (b'{"ends":{"at":"1970-01-01t00:00:02z"}}', 2000),
        (b'{"ends":{"at":"1972-06-30T23:59:60Z"}}', 78796800000),
        (b'{"ends":{"at":"1972-07-01T00:59:60.5+01:00"}}', 78796800000),
        (b'{"ends":{"at":"1972-06-30T23:58:60Z"}}', None),
        (b'{"ends":{"at":"soon"}}', None),
        (b'{"ends":{"at":12}}', None),
        (b'{"ends":null}', None),
        (b'{"ends":[{"at":"1970-01-01T00:00:02Z"}]}', None),
        (b"{}", None),
    ],
)
def test_a_field_with_a_valid_time_sets_the_expiry(body: bytes, at: int | None) -> None:
    """A text that is not an RFC 3339 time sets no expiry."""
    assert ends_at(body, ["ends", "at"]) == at


async def test_an_expired_document_is_in_no_answer(service: BundocService) -> None:
    await service.put_collection(CALLER, "sessions", TIMED)

    await put(service, "old", PAST)
    await put(service, "new", FUTURE)
    await put(service, "ever", None)

    with pytest.raises(DocumentNotFound):
        await service.get(CALLER, "sessions", "old")
    assert await listed(service) == ["ever", "new"]
    found = msgspec.json.decode((await service.query(CALLER, "sessions", Query(sort=("ends.at",), count=True))).body)
    assert ([one["_id"] for one in found["items"]], found["count"]) == (["ever", "new"], 2)
    folded = await service.aggregate(CALLER, "sessions", Aggregation(b'{"n":{"$count":true}}'))
    assert msgspec.json.decode(folded.body) == {"items": [{"n": 2}], "next": None}


async def test_an_expired_document_does_not_block_a_write_with_its_id(service: BundocService) -> None:
    unique = CollectionSpec((IndexSpec(("email",), "email", unique=True),), expires="ends.at")
    await service.put_collection(CALLER, "sessions", unique)
    await put(service, "a", PAST, email="ada@a.example")

    await put(service, "b", FUTURE, email="ada@a.example")
    again = await service.create(CALLER, "sessions", b'{"_id":"a","email":"bob@a.example"}')

    assert again.rev == 2
    with pytest.raises(UniqueViolation):
        await put(service, "c", FUTURE, email="ada@a.example")


async def test_a_patch_of_an_expired_document_finds_nothing(service: BundocService) -> None:
    await service.put_collection(CALLER, "sessions", TIMED)
    await put(service, "old", PAST)

    with pytest.raises(DocumentNotFound):
        await service.patch(CALLER, "sessions", "old", b'{"a":1}', NO_PRECONDITION)


async def test_upkeep_deletes_expired_documents_and_logs_the_deletions(service: BundocService) -> None:
    await service.put_collection(CALLER, "sessions", TIMED)
    for number in range(450):
        await put(service, f"old{number}", PAST)
    await put(service, "new", FUTURE)

    await service.tend()

    size = await service.collection(CALLER, "sessions")
    assert size.documents == 1
    changes = await service.changes(CALLER, 451, 500, 0)
    assert [(one.op, one.seq) for one in changes.items] == [("delete", 452 + number) for number in range(450)]


async def test_documents_stored_before_the_setting_expire_too(service: BundocService) -> None:
    for number in range(250):
        await put(service, f"d{number}", PAST if number % 2 else FUTURE)

    made = await service.put_collection(CALLER, "sessions", TIMED)

    assert made.expires == "ends.at"
    assert len(await listed(service)) == 100
    assert await service.put_collection(CALLER, "sessions", CollectionSpec(expires=None))
    assert (await service.collection(CALLER, "sessions")).expires is None


async def test_reading_of_expiry_times_continues_after_a_crash(
    tmp_path: Path, kms: FakeKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sqlite_engine(tmp_path / "d", kms) as engine:
        service = BundocService(engine)
        for number in range(3):
            await put(service, f"d{number}", PAST)

        async def crash(collection: str, done: Any) -> None:
            raise RuntimeError("crash")

        monkeypatch.setattr(engine, "_retime", crash)
        with pytest.raises(RuntimeError):
            await service.put_collection(CALLER, "sessions", TIMED)

    async with sqlite_engine(tmp_path / "d", kms) as engine:
        service = BundocService(engine)
        assert len(await listed(service)) == 3
        await service.tend()
        assert await listed(service) == []


async def test_expired_documents_with_long_arrays_are_deleted_in_smaller_batches(engine: SqliteEngine) -> None:
    """A document has up to 1000 entries in an index, and writes wait while a batch is deleted."""
    await engine.alter("prj_a", "sessions", CollectionSpec(indexes=(IndexSpec(("tags",)),), expires="ends"))
    array = b",".join([b"%d" % number for number in range(1000)])
    body = b'{"ends":"2020-01-01T00:00:00Z","tags":[%s]}' % array
    steps = [CommitStep("sessions", Create(f"d{number:02}", body)) for number in range(12)]
    await engine.commit("prj_a", tuple(steps))

    follows = [await engine._task("prj_a", Expire("sessions")) for _ in range(4)]

    assert follows == [True, True, True, False]
