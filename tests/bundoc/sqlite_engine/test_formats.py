"""Files written by older versions (`files/write.py`) open with all their documents.

A change of the format needs a new folder in `files/`, written by the last version with the previous format.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.backups.engine import Progress
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.copies import _settle_log
from bunbase.bundoc.sqlite_engine.copy_contents import measure_copy
from bunbase.bundoc.sqlite_engine.tables import FORMAT, format_of
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Query
from bunbase.contracts.bundoc.problems import ResyncRequired
from bunbase.pkg.errors import Problem
from bunbase.pkg.sealed_sqlite.connection import DATABASE
from tests.bundoc.engines import sqlite_engine
from tests.bundoc.files.write import PROJECT, SECRET
from tests.fakes import FakeKms
from tests.rooms import secret_caller

FILES = Path(__file__).parents[1] / "files"
CALLER = secret_caller(PROJECT)


def test_there_is_a_file_of_every_format() -> None:
    kept = {int(path.name.removeprefix("format-")) for path in FILES.glob("format-*")}

    assert kept >= set(range(1, FORMAT))


@pytest.mark.parametrize("format", sorted(path.name for path in FILES.glob("format-*")))
async def test_an_old_file_opens_with_all_its_documents(tmp_path: Path, format: str) -> None:
    shutil.copytree(FILES / format, tmp_path / "bundoc" / PROJECT)
    expected: dict[str, Any] = msgspec.json.decode((FILES / format / "expected.json").read_bytes())
    last = expected["last_change"]

    for _ in range(2):  # The loop reads first the old file, and then the file that was brought up to date.
        async with sqlite_engine(tmp_path / "bundoc", FakeKms(SECRET)) as engine:
            service = BundocService(engine)
            for collection, bodies in expected["documents"].items():
                await holds(service, collection, bodies)
            if last is None:
                with pytest.raises(ResyncRequired):
                    await service.changes(CALLER, 0, 100, 0.0)
            else:
                assert [one.seq for one in (await service.changes(CALLER, 0, last, 0.0)).items] == [*range(1, last + 1)]
            file = engine.files.ready(PROJECT)
            assert file is not None
            assert format_of(file.reader) == FORMAT

    async with sqlite_engine(tmp_path / "bundoc", FakeKms(SECRET)) as engine:
        service = BundocService(engine)
        assert (await service.put(CALLER, "posts", "d5", b'{"title":"new"}', NO_PRECONDITION)).created
        deep = msgspec.structs.replace(CALLER, depth=3)
        assert (await service.patch(deep, "users", "d0", b'{"title":"other"}', NO_PRECONDITION)).rev == (
            2 if last else 3
        )
        newest = (await service.changes(CALLER, last or 1, 10, 0.0)).items
        assert [(one.collection, one.id, one.depth) for one in newest] == [("posts", "d5", 0), ("users", "d0", 3)]


@pytest.mark.parametrize("format", sorted(path.name for path in FILES.glob("format-*")))
async def test_a_restore_can_read_an_old_file_that_was_never_brought_up_to_date(tmp_path: Path, format: str) -> None:
    shutil.copytree(FILES / format, tmp_path / "bundoc" / PROJECT)
    expected: dict[str, Any] = msgspec.json.decode((FILES / format / "expected.json").read_bytes())
    async with sqlite_engine(tmp_path / "bundoc", FakeKms(SECRET)) as engine:
        _, key = await engine.files.key_of(PROJECT)
        path = tmp_path / "bundoc" / PROJECT / DATABASE

        given = _settle_log(path, key)

        assert (given.last, given.empty) == (expected["last_change"] or 1, False)
        assert [one.documents for one in measure_copy(path, key, Progress())[2]] == [5, 5]


async def holds(service: BundocService, collection: str, bodies: list[str]) -> None:
    for number, body in enumerate(bodies):
        assert (await service.get(CALLER, collection, f"d{number}")).body.decode() == body
    with pytest.raises(Problem):
        await service.get(CALLER, collection, "d5")
    found = await service.query(CALLER, collection, Query(b'{"title":"Hello"}', ("-n",), count=True, explain=True))
    answer = msgspec.json.decode(found.body)
    assert [one["_id"] for one in answer["items"]] == ["d3", "d0"]
    listed = msgspec.json.decode((await service.list(CALLER, collection, 20, None)).body)
    assert [msgspec.json.encode(one) for one in listed["items"]] == [
        msgspec.json.encode(msgspec.json.decode(body)) for body in bodies
    ]
    assert {one.name for one in await service.collections(CALLER)} == {"posts", "users"}
    for index in (await service.collection(CALLER, collection)).indexes:
        assert index.ready
