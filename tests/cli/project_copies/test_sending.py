"""A checked file is sent in blocks. Lines that refer to later documents are sent again. An import can continue."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from msgspec import UNSET

from bunbase.cli.errors import Failure, Unreachable
from bunbase.cli.http import Call
from bunbase.cli.output import Output
from bunbase.cli.project_copies.checking import checked_file
from bunbase.cli.project_copies.lines import json_line, settings_of, whole
from bunbase.cli.project_copies.sending import BLOCK_LINES, Choices, Conflict, Sending
from bunbase.cli.session import Session
from bunbase.contracts.bundoc.backups import Imported
from bunbase.contracts.bundoc.collections import BeforeWrite, Collection, CollectionSpec, IndexSpec, IndexState, Rules
from bunbase.contracts.tenant_auth.transfers import ImportedUsers
from bunbase.pkg.ndjson import RefusedLine

POSTS = Collection("posts", "2026-11-30T00:00:00Z", rules=Rules(get="true"))
ASK, KEPT = BeforeWrite("check"), BeforeWrite("old")
OTHER = Rules(get="auth != null")


class FakeServer:
    """A project that refuses a document until the document in its field `to` exists.

    `breaks_at`: the request about documents that is not answered. `asked`: the requests without GETs.
    """

    def __init__(self, *collections: Collection, breaks_at: int = 0) -> None:
        self.collections = {one.name: one for one in collections}
        self.documents: set[str] = set()
        self.users: list[bytes] = []
        self.breaks_at = breaks_at
        self.blocks: list[int] = []
        self.asked: list[Call] = []

    def ask(self, kind: type, call: Call) -> Any:
        if call.method == "GET":
            return kind(items=tuple(self.collections.values()))
        self.asked.append(call)
        if call.method == "PUT":
            name = call.path.split("/")[3].partition("?")[0]
            made = self.collections.setdefault(name, Collection(name, ""))
            spec = msgspec.json.decode(call.content or b"", type=CollectionSpec)
            known = {one: value for one, value in msgspec.structs.asdict(spec).items() if value is not UNSET}
            self.collections[name] = msgspec.structs.replace(made, **known)
            return self.collections[name]
        lines = (call.content or b"").splitlines()
        if kind is ImportedUsers:
            self.users += lines
            return ImportedUsers(imported=len(lines), last_line=len(lines))
        self.blocks.append(len(lines))
        if len(self.blocks) == self.breaks_at:
            raise Unreachable("The server did not answer.")
        return self._imported([msgspec.json.decode(line)["document"] for line in lines])

    def _imported(self, documents: list[dict[str, str]]) -> Imported:
        lacking = []
        for line, one in enumerate(documents, 1):
            if one.get("to") in (None, *self.documents):
                self.documents.add(one["_id"])
            else:
                lacking.append(line)
        errors = tuple(RefusedLine(line, "invalid_document", f"/to: There is no document {line}.") for line in lacking)
        return Imported(len(documents) - len(lacking), 0, len(lacking), len(documents), errors, tuple(lacking))


def sent(
    server: FakeServer, file: Path, choices: Choices, *documents: dict[str, str], asks: BeforeWrite | None = None
) -> Sending:
    """Write a file and send it. Return the import, also after a failure, because the test reads its progress."""
    settings = CollectionSpec(rules=Rules(get="true"), before_write=asks or UNSET)
    lines = [{"bunbase_export": 1, "users": True}, {"define": "posts", "settings": settings}, {"user": {"id": "eve"}}]
    lines += [{"collection": "posts", "document": one} for one in documents]
    lines += [{"end": {"collections": 1, "documents": len(documents), "users": 1}}]
    file.write_bytes(b"".join(map(json_line, lines)))
    sending = Sending(cast("Session", server), "prj_a", checked_file(file, lambda _done: None), choices)
    out = Output(json=True)
    sending.send_settings(out)
    try:
        sending.send_lines(file, lambda _done: None, lambda: None)
        sending.begin_asking(out)
    except Failure:
        assert server.breaks_at
    return sending


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shop.ndjson"


def test_documents_that_refer_to_later_blocks_are_imported_in_the_end(file: Path) -> None:
    server = FakeServer()
    many = [{"_id": f"d{number:05}"} for number in range(BLOCK_LINES)]

    sending = sent(server, file, Choices(Conflict.FAIL), {"_id": "a", "to": "z"}, *many, {"_id": "z"})

    assert server.blocks == [BLOCK_LINES, 2, 1]
    assert (sending.documents.imported, sending.documents.failed, sending.errors.count) == (BLOCK_LINES + 2, 0, 0)
    assert (sending.collections.imported, sending.users.imported, server.users) == (1, 1, [b'{"id":"eve"}'])


def test_documents_that_lack_another_one_are_counted_once_with_their_lines(file: Path) -> None:
    lost = [{"_id": f"l{number}", "to": "nowhere"} for number in range(5)]

    sending = sent(FakeServer(), file, Choices(Conflict.SKIP), *lost, {"_id": "z"})

    (group,) = sending.errors.sorted()
    assert (sending.documents.imported, sending.documents.failed) == (1, 5)
    assert (group.code, group.count, group.lines) == ("invalid_document", 5, [4, 5, 6])


def test_an_import_that_breaks_knows_its_last_line_and_continues_after_it(file: Path) -> None:
    documents = [{"_id": f"d{number:05}"} for number in range(BLOCK_LINES + 10)]
    server = FakeServer(POSTS, breaks_at=2)

    broken = sent(server, file, Choices(Conflict.SKIP), *documents)
    again = sent(server, file, Choices(Conflict.SKIP, from_line=broken.last_line + 1), *documents)

    assert broken.last_line == 3 + BLOCK_LINES
    assert (server.blocks, len(server.documents)) == ([BLOCK_LINES, 10, 10], len(documents))
    assert (again.documents.imported, again.users.imported) == (10, 0)


def test_a_collection_asks_its_function_only_after_its_documents(file: Path) -> None:
    server = FakeServer()

    sending = sent(server, file, Choices(Conflict.FAIL), {"_id": "a"}, asks=ASK)

    paths = [call.path.partition("?")[0] for call in server.asked]
    assert paths == ["/v1/collections/posts", "/v1/auth/users/import", "/api/projects/prj_a/import", paths[0]]
    assert b"before_write" not in (server.asked[0].content or b"")
    assert (server.collections["posts"].before_write, sending.errors.count) == (ASK, 0)


def test_an_import_that_was_interrupted_lets_its_collections_ask_when_it_is_continued(file: Path) -> None:
    server = FakeServer(breaks_at=1)

    sent(server, file, Choices(Conflict.FAIL), {"_id": "a"}, asks=ASK)
    asked_between = server.collections["posts"].before_write
    again = sent(server, file, Choices(Conflict.SKIP), {"_id": "a"}, asks=ASK)

    assert asked_between is None
    assert (server.collections["posts"].before_write, again.collections.updated) == (ASK, 1)


@pytest.mark.parametrize(
    ("conflict", "at_first", "in_the_end"),
    [(Conflict.FAIL, KEPT, KEPT), (Conflict.SKIP, KEPT, KEPT), (Conflict.REPLACE, KEPT, ASK)],
)
def test_a_collection_that_asks_another_function_keeps_it_unless_it_is_replaced(
    file: Path, conflict: Conflict, at_first: BeforeWrite, in_the_end: BeforeWrite
) -> None:
    server = FakeServer(msgspec.structs.replace(POSTS, before_write=at_first))

    sent(server, file, Choices(conflict), {"_id": "a"}, asks=ASK)

    assert server.collections["posts"].before_write == in_the_end
    puts = [call.content for call in server.asked if call.method == "PUT"]
    assert len(puts) == (conflict is Conflict.REPLACE)


@pytest.mark.parametrize(
    ("conflict", "counts", "puts"),
    [(Conflict.FAIL, (0, 0, 1), 0), (Conflict.SKIP, (0, 1, 0), 0), (Conflict.REPLACE, (1, 0, 0), 1)],
)
def test_a_collection_with_other_settings_is_a_conflict(
    file: Path, conflict: Conflict, counts: tuple[int, int, int], puts: int
) -> None:
    server = FakeServer(msgspec.structs.replace(POSTS, rules=OTHER, expires="ends"))

    sending = sent(server, file, Choices(conflict))

    sent_settings = [msgspec.json.decode(call.content or b"") for call in server.asked if call.method == "PUT"]
    found = sending.collections
    assert (found.updated, found.skipped, found.failed, len(sent_settings)) == (*counts, puts)
    if puts:
        assert sent_settings == [{"rules": {"get": "true"}, "expires": None}]


def test_a_dry_run_sends_no_settings_and_no_documents_of_new_collections(file: Path) -> None:
    server = FakeServer()

    sending = sent(server, file, Choices(Conflict.FAIL, dry_run=True), {"_id": "a"})

    assert [(call.path, call.params["dry_run"]) for call in server.asked] == [("/v1/auth/users/import", "true")]
    assert (sending.collections.imported, sending.documents.imported) == (1, 1)


def test_the_settings_of_a_collection_are_those_that_developers_made() -> None:
    indexes = (
        IndexState("by_n", ("n",), unique=True, ready=True),
        IndexState("of_list", ("list",), unique=False, ready=True, system=True),
    )
    found = settings_of(msgspec.structs.replace(POSTS, indexes=indexes, strict=False, expires="ends"))

    assert found == CollectionSpec(
        indexes=(IndexSpec(("n",), name="by_n", unique=True),), rules=Rules(get="true"), expires="ends"
    )
    assert whole(CollectionSpec(expires="ends")) == CollectionSpec(
        (), None, "ends", None, strict=False, before_write=None, before_images=False, max_scan=None
    )
