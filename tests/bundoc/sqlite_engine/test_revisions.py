"""An id never gets the same revision twice, even if its document is deleted in between."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from bunbase.bundoc.room import BundocRoom
from bunbase.bundoc.sqlite_engine import revisions
from bunbase.bundoc.sqlite_engine.revisions import CREATE_REVISIONS, Revisions
from bunbase.contracts.bundoc.backups import ImportMode
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Document, Precondition
from bunbase.contracts.bundoc.problems import StaleRevision
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Problem
from bunbase.pkg.ndjson import ImportLine
from tests.bundoc.backups.backed_up import OTHER_OWNER, OTHER_SERVER, OWNER, SERVER, backed_up, restored, whole_bundoc
from tests.fakes import FakeKms
from tests.rooms import publishable_caller
from tests.seeds import seeds

C = "posts"
IDS = ("a", "b", "c")
PAST = "2020-01-01T00:00:00Z"
OPERATIONS = ("put",) * 6 + ("create", "patch", "delete", "delete", "swap", "drop", "end", "import", "keep", "restore")


@pytest.fixture
async def bundoc(tmp_path: Path, kms: FakeKms) -> AsyncIterator[BundocRoom]:
    async with whole_bundoc(tmp_path, kms) as bundoc:
        yield bundoc


async def put(bundoc: BundocRoom, id: str, **fields: Any) -> Document:
    return await bundoc.put(SERVER, C, id, msgspec.json.encode(fields), NO_PRECONDITION)


async def test_a_document_created_again_continues_after_its_last_revision(bundoc: BundocRoom) -> None:
    await put(bundoc, "x", v=1)
    await bundoc.delete(SERVER, C, "x", NO_PRECONDITION)

    again = await put(bundoc, "x", v=2)

    assert (again.rev, again.created) == (2, True)
    with pytest.raises(StaleRevision):
        await bundoc.patch(SERVER, C, "x", b'{"v":3}', Precondition(rev=1))
    check = b'{"writes":[{"op":"check","collection":"posts","id":"x","if_rev":1}]}'
    with pytest.raises(StaleRevision):
        await bundoc.commit(SERVER, check)
    assert (await put(bundoc, "y")).rev == 1  # This id was never used.


async def test_deleting_and_creating_in_one_commit_raises_the_revision(bundoc: BundocRoom) -> None:
    await put(bundoc, "x", v=1)
    delete, create = {"op": "delete", "collection": C, "id": "x"}, {"op": "create", "collection": C, "id": "x"}

    done = await bundoc.commit(
        SERVER, msgspec.json.encode({"writes": [delete, {**create, "data": {}}, delete, {**create, "data": {"v": 2}}]})
    )

    assert [one.rev for one in done.commit.results] == [0, 2, 0, 3]


async def test_a_commit_that_fails_leaves_the_revisions_as_they_were(bundoc: BundocRoom) -> None:
    await put(bundoc, "x", v=1)
    delete = {"op": "delete", "collection": C, "id": "x"}
    with pytest.raises(Problem):
        await bundoc.commit(SERVER, msgspec.json.encode({"writes": [delete, delete]}))

    assert (await put(bundoc, "x", v=2)).rev == 2


async def test_a_rule_sees_the_revision_that_a_new_document_gets(bundoc: BundocRoom) -> None:
    await bundoc.put_collection(SERVER, C, CollectionSpec(rules=Rules(create="next._rev == 3", get="true")))
    await put(bundoc, "x")
    await put(bundoc, "x")
    await bundoc.delete(SERVER, C, "x", NO_PRECONDITION)

    assert (await bundoc.put(publishable_caller(SERVER.project), C, "x", b"{}", NO_PRECONDITION)).rev == 3


async def test_a_collection_created_again_continues_after_its_old_revisions(bundoc: BundocRoom) -> None:
    for _ in range(3):
        await put(bundoc, "x")
    await put(bundoc, "gone")
    await bundoc.delete(SERVER, C, "gone", NO_PRECONDITION)
    await bundoc.drop_collection(SERVER, C)

    assert (await put(bundoc, "x")).rev == 4
    assert (await put(bundoc, "gone")).rev == 4
    other = await bundoc.put(SERVER, "others", "x", b"{}", NO_PRECONDITION)
    assert other.rev == 1


async def test_a_restore_continues_above_the_revisions_it_replaced(bundoc: BundocRoom) -> None:
    await put(bundoc, "x", v=1)
    id = await backed_up(bundoc)
    replaced = await put(bundoc, "x", v=2)
    await put(bundoc, "y", v=1)
    await restored(bundoc, id)

    kept = await bundoc.get(SERVER, C, "x")
    assert (kept.rev, msgspec.json.decode(kept.body)["v"]) == (1, 1)  # This revision still has this content.
    assert (await put(bundoc, "x", v=3)).rev > replaced.rev
    assert (await put(bundoc, "y", v=2)).rev > 1
    assert (await put(bundoc, "z")).rev > 1


async def test_a_clone_into_an_empty_project_keeps_the_revisions_of_its_source(bundoc: BundocRoom) -> None:
    await put(bundoc, "x", v=1)
    await put(bundoc, "x", v=2)
    id = await backed_up(bundoc)

    await restored(bundoc, id, into=OTHER_OWNER)

    assert (await bundoc.get(OTHER_SERVER, C, "x")).rev == 2
    assert (await bundoc.put(OTHER_SERVER, C, "new", b"{}", NO_PRECONDITION)).rev == 1


async def test_a_clone_over_other_documents_gets_revisions_above_theirs(bundoc: BundocRoom) -> None:
    await put(bundoc, "x", v=1)
    await bundoc.put_collection(SERVER, C, CollectionSpec((IndexSpec(("-_rev",)),)))
    id = await backed_up(bundoc)
    for _ in range(3):
        await bundoc.put(OTHER_SERVER, C, "x", b'{"theirs":1}', NO_PRECONDITION)

    await restored(bundoc, id, into=OTHER_OWNER)

    now = await bundoc.get(OTHER_SERVER, C, "x")
    assert now.rev > 3
    assert (await bundoc.put(OTHER_SERVER, C, "x", b"{}", NO_PRECONDITION)).rev > now.rev


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(3))
async def test_no_revision_of_an_id_is_seen_with_two_contents(seed: int, tmp_path: Path, kms: FakeKms) -> None:
    """The test mixes deletions, expiry, commits, drops, imports, restores, clones and reopened files."""
    chance = random.Random(seed)
    history = History(chance)
    for _ in range(3):
        async with whole_bundoc(tmp_path, kms) as bundoc:
            await history.begin(bundoc)
            for _ in range(14):
                await history.step(bundoc, chance.choice(OPERATIONS))
                await history.look(bundoc)
    assert history.seen


class History:
    """The answers and backups so far. `seen`: each revision in an answer, with its content.

    `kept`: backups by owner.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.seen: dict[tuple[str, str, int], bytes] = {}
        self.kept: list[tuple[Caller, str]] = []
        self.values = 0

    async def begin(self, bundoc: BundocRoom) -> None:
        for server in (SERVER, OTHER_SERVER):
            await bundoc.put_collection(server, C, CollectionSpec(expires="ends"))

    def body(self, **more: Any) -> bytes:
        self.values += 1
        return msgspec.json.encode({"v": self.values, **more})

    async def step(self, bundoc: BundocRoom, operation: str) -> None:
        id, server = self.chance.choice(IDS), self.chance.choice((SERVER, OTHER_SERVER))
        owner = OWNER if server is SERVER else OTHER_OWNER
        try:
            match operation:
                case "put":
                    await bundoc.put(server, C, id, self.body(), NO_PRECONDITION)
                case "create":
                    await bundoc.create(server, C, self.body(_id=id))
                case "patch":
                    await bundoc.patch(server, C, id, self.body(), NO_PRECONDITION)
                case "delete":
                    await bundoc.delete(server, C, id, NO_PRECONDITION)
                case "swap":
                    await bundoc.commit(server, self.swap(id))
                case "drop":
                    await bundoc.drop_collection(server, C)
                    await self.begin(bundoc)
                case "end":
                    await bundoc.put(server, C, id, self.body(ends=PAST), NO_PRECONDITION)
                case "import":
                    mode = self.chance.choice([*ImportMode])
                    await bundoc.import_documents(server, C, mode, (ImportLine(1, self.body(_id=id)),))
                case "keep":
                    self.kept.append((owner, await backed_up(bundoc, owner)))
                case "restore" if self.kept:
                    source, backup = self.chance.choice(self.kept)
                    await restored(bundoc, backup, owner, source)
        except Problem:
            pass  # A refused call shows no revision.

    def swap(self, id: str) -> bytes:
        delete = {"op": "delete", "collection": C, "id": id}
        create = {"op": "create", "collection": C, "id": id, "data": msgspec.Raw(self.body())}
        return msgspec.json.encode({"writes": [delete, create] * self.chance.randint(1, 3)})

    async def look(self, bundoc: BundocRoom) -> None:
        for server in (SERVER, OTHER_SERVER):
            for id in IDS:
                try:
                    found = await bundoc.get(server, C, id)
                except Problem:
                    continue
                known = self.seen.setdefault((server.project, id, found.rev), found.body)
                assert known == found.body


def test_revisions_of_old_deletions_are_folded_into_one_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """BunBase remembers a limited number of deleted ids; new documents begin above the forgotten revisions."""
    monkeypatch.setattr(revisions, "MOST_ENDED", 10)
    connection = remembering()
    known = Revisions(connection)
    for number in range(40):
        known.end(connection, 1, f"d{number}", 5 if number == 3 else 1)
        known.fold(connection)

    left = connection.execute("SELECT count(*) FROM ended").get
    lasts = [known.last(connection, C, 1, f"d{number}") for number in range(40)]

    assert left <= 11
    assert lasts[3] == 5
    assert all(last >= 1 for last in lasts)
    assert Revisions(connection).floors == known.floors == {C: 5}


def test_one_transaction_may_delete_more_documents_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "MOST_ENDED", 10)
    connection = remembering()
    known = Revisions(connection)
    for round in range(3):
        for number in range(3000):
            known.end(connection, 1, f"d{round}-{number}", 2)
        known.fold(connection)

        assert connection.execute("SELECT count(*) FROM ended").get <= 11
    assert known.last(connection, C, 1, "d0-0") == 2


def test_too_many_floors_of_dropped_collections_become_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "MOST_FLOORS", 3)
    connection = remembering()
    known = Revisions(connection)

    for number in range(9):
        known.raise_floor(connection, f"dropped{number}", number)
    known.raise_floor(connection, C, 2)

    assert len(known.floors) <= 3
    assert known.last(connection, "dropped8", None, "x") >= 8
    assert Revisions(connection).last(connection, "dropped7", None, "x") >= 7


def remembering() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    for _ in connection.execute("CREATE TABLE collections (id INTEGER PRIMARY KEY, name TEXT, definition TEXT)"):
        pass
    for _ in connection.execute(CREATE_REVISIONS):
        pass
    connection.execute("INSERT INTO collections VALUES (1, ?, '{}')", (C,))
    return connection
