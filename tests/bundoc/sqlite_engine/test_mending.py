"""A file of format 6 with values that are refused or read differently today (`files/write_faults.py`) is mended."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.backups.engine import Contents, Progress, Safety
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.copies import SqliteCopies
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Query
from bunbase.contracts.bundoc.problems import DocumentNotFound, UniqueViolation
from tests.bundoc.engines import sqlite_engine
from tests.bundoc.files.write import PROJECT, SECRET
from tests.fakes import FakeKms
from tests.rooms import secret_caller

FILE = Path(__file__).parents[1] / "files" / "faults-6"
CALLER = secret_caller(PROJECT)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[BundocService]:
    shutil.copytree(FILE, tmp_path / "bundoc" / PROJECT)
    async with sqlite_engine(tmp_path / "bundoc", FakeKms(SECRET)) as engine:
        yield BundocService(engine)


async def fields(service: BundocService, collection: str, id: str) -> dict[str, Any]:
    found = msgspec.json.decode((await service.get(CALLER, collection, id)).body)
    return {name: value for name, value in found.items() if not name.startswith("_")}


async def found(service: BundocService, where: dict[str, Any], collection: str = "names") -> list[str]:
    page = await service.query(CALLER, collection, Query(where=msgspec.json.encode(where)))
    return [item["_id"] for item in msgspec.json.decode(page.body)["items"]]


async def test_control_characters_in_names_become_their_pictures(service: BundocService) -> None:
    """No field of an old file is lost, and no name is cut off at U+0000."""
    assert await fields(service, "names", "cut") == {"x\u2400y": 1}
    assert await fields(service, "names", "apart") == {"x\u2400": 1, "x": 2}
    assert await fields(service, "names", "owner") == {"owner\u2400": "ann", "owner": "bob"}
    assert await fields(service, "names", "taken") == {"x\u2400\u2400": 1, "x\u2400": 2, "x": 3}
    deep = {"list": [{"b\u240a": 1, "b": "\0"}], "del\u2421": {"a\u2401": [[{"c\u2409": 1}]]}}
    assert await fields(service, "names", "deep") == deep
    assert await fields(service, "names", "plain") == {"x": "a\0b\n", "owner": "cy"}


async def test_large_documents_are_mended_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may be larger than the memory of the machine that opens it."""
    monkeypatch.setattr("bunbase.bundoc.sqlite_engine.mending.AT_ONCE_BYTES", 1)
    shutil.copytree(FILE, tmp_path / "bundoc" / PROJECT)
    async with sqlite_engine(tmp_path / "bundoc", FakeKms(SECRET)) as engine:
        pieces = BundocService(engine)
        await test_control_characters_in_names_become_their_pictures(pieces)
        await test_indexes_use_the_renamed_fields(pieces)


async def test_indexes_use_the_renamed_fields(service: BundocService) -> None:
    """A filter finds the same documents with and without an index."""
    assert await found(service, {"x": 1}) == []
    assert await found(service, {"x": 2}) == ["apart"]
    assert await found(service, {"x": {"$in": [1, 2, 3]}}) == ["apart", "taken"]
    assert await found(service, {"owner": "ann"}) == []
    assert await found(service, {"owner": "bob"}) == ["owner"]
    assert await found(service, {"owner\u2400": "ann"}) == ["owner"]
    assert await found(service, {"$search": "bob"}) == ["owner"]
    assert await found(service, {"$search": "ann"}) == []


async def test_a_renamed_document_has_a_new_revision_and_an_entry_in_the_log(service: BundocService) -> None:
    """The content under a revision never changes."""
    assert (await service.get(CALLER, "names", "owner")).rev == 2
    assert (await service.get(CALLER, "names", "plain")).rev == 1
    log = (await service.changes(CALLER, 0, 500, 0.0)).items
    last = {(one.collection, one.id): (one.op, one.rev) for one in log}
    assert [one.seq for one in log] == [*range(1, len(log) + 1)]
    assert last["names", "owner"] == ("update", 2)
    assert last["names", "plain"] == ("create", 1)


async def test_revisions_continue_above_those_in_the_log(service: BundocService) -> None:
    """`back` was deleted at revision 3 and stored again at 1; `gone` was deleted at 3."""
    back = await service.get(CALLER, "revs", "back")
    assert (back.rev, await fields(service, "revs", "back")) == (4, {"v": 9})
    assert (await service.put(CALLER, "revs", "back", b"{}", NO_PRECONDITION)).rev == 5
    assert (await service.put(CALLER, "revs", "gone", b"{}", NO_PRECONDITION)).rev == 4
    assert (await service.put(CALLER, "revs", "new", b"{}", NO_PRECONDITION)).rev == 1


async def test_unique_indexes_get_the_keys_that_they_lacked(service: BundocService) -> None:
    """Documents with equal values stay, but their next write is refused. Other writes are accepted."""
    for id in ("one", "two", "three", "empty", "null"):
        assert await fields(service, "arrays", id)
    with pytest.raises(UniqueViolation):
        await service.put(CALLER, "arrays", "two", b'{"k":[2,{"x":1}]}', NO_PRECONDITION)
    with pytest.raises(UniqueViolation):
        await service.put(CALLER, "arrays", "new", b'{"k":[[3]]}', NO_PRECONDITION)
    assert (await service.put(CALLER, "arrays", "two", b'{"k":[2,{"x":2}]}', NO_PRECONDITION)).rev == 2
    await service.delete(CALLER, "arrays", "three", NO_PRECONDITION)
    for id, value in (("new", b"[[3]]"), ("more", b"[]"), ("none", b"[null]")):
        assert (await service.put(CALLER, "arrays", id, b'{"k":%b}' % value, NO_PRECONDITION)).rev == 1


async def test_documents_with_invalid_times_no_longer_expire(service: BundocService) -> None:
    """An earlier version read these times wrongly and would have deleted the documents."""
    assert await found(service, {}, "times") == ["future", "no_colon", "no_offset"]
    await service.tend()
    assert await fields(service, "times", "no_offset") == {"e": "2020-01-01T00:00:00"}
    for id in ("leap", "past"):
        with pytest.raises(DocumentNotFound):
            await service.get(CALLER, "times", id)


async def test_a_restored_backup_of_an_old_format_gets_revisions_above_the_replaced_ones(tmp_path: Path) -> None:
    """The old file may have used a revision twice already, so its documents get new revisions."""
    async with sqlite_engine(tmp_path / "bundoc", FakeKms(SECRET)) as engine:
        service = BundocService(engine)
        for number in range(7):
            replaced = await service.put(CALLER, "revs", "back", b'{"v":"%d"}' % number, NO_PRECONDITION)
        copies = SqliteCopies(engine.files, engine.news)
        (tmp_path / "safety").mkdir()

        await copies.replace(PROJECT, PROJECT, FILE, Safety(tmp_path / "safety", kept), Progress())

        back = await service.get(CALLER, "revs", "back")
        assert back.rev > replaced.rev
        assert await fields(service, "revs", "back") == {"v": 9}
        assert (await service.put(CALLER, "revs", "back", b"{}", NO_PRECONDITION)).rev > back.rev
        assert (await service.put(CALLER, "revs", "gone", b"{}", NO_PRECONDITION)).rev > replaced.rev
        assert await found(service, {"owner": "bob"}) == ["owner"]
        copies.close()


async def kept(_contents: Contents) -> None:
    """Ignore the safety copy."""
