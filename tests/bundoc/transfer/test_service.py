"""Export and import as lines: exported documents can be imported again, and errors name their line."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.bundoc.transfer.batches import Importing
from bunbase.contracts.bundoc.backups import Imported, ImportMode
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.problems import BundocBusy, CollectionNotFound, RuleDenied
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller, Role
from bunbase.pkg.errors import Forbidden, InvalidInput
from bunbase.pkg.ndjson import ImportLine, Lines
from tests.bundoc.backups.backed_up import OTHER_SERVER, OWNER, SERVER, bodies, put, whole_bundoc
from tests.fakes import FakeKms
from tests.rooms import ANYONE, member_caller, publishable_caller


@pytest.fixture
async def bundoc(tmp_path: Path, kms: FakeKms) -> AsyncIterator[Bundoc]:
    async with whole_bundoc(tmp_path, kms) as bundoc:
        yield bundoc


async def test_exported_documents_are_imported_unchanged(bundoc: Bundoc) -> None:
    for number in range(450):
        await put(bundoc, f"d{number:03}", b'{"n":%d.50,"big":9007199254740993,"text":"\\u00e9\\n"}' % number)
    await bundoc.create(SERVER, "others", b'{"_id":"o1"}')
    exported = await bodies(bundoc)

    done = await imported(bundoc, exported, None, caller=OTHER_SERVER)

    assert counts(done) == Imported(imported=451, last_line=451)
    assert [own(line) for line in (await bodies(bundoc, OTHER_SERVER)).splitlines()] == [
        own(line) for line in exported.splitlines()
    ]


@pytest.mark.parametrize("mode", list(ImportMode))
async def test_new_documents_keep_the_time_at_which_they_were_created(bundoc: Bundoc, mode: ImportMode) -> None:
    await put(bundoc, "a", b"{}")
    kept = created(await bodies(bundoc))
    lines = (
        b'{"_id":"a","_created":"2001-01-01T00:00:00Z"}',  # this document exists already
        b'{"_id":"b","_created":"2024-02-29T12:00:00.5+02:00"}',
        b'{"_id":"c","_created":"9999-01-01T00:00:00Z"}',
        b'{"_id":"d"}',
        b'{"_id":"e","_created":"0099-01-01T00:00:00Z"}',
    )

    done = await imported(bundoc, b"\n".join(lines), "posts", mode)
    found = created(await bodies(bundoc))

    assert done.imported + done.skipped + done.failed == 5
    assert (found["a"], found["b"]) == (kept["a"], "2024-02-29T10:00:00.500Z")
    assert found["e"] == "0099-01-01T00:00:00.000Z"
    assert all(found["a"] <= found[id] < "9999" for id in "cd")  # Both documents have the time of the import.


async def test_an_exported_project_keeps_the_order_of_creation(bundoc: Bundoc) -> None:
    for id in ("b", "a"):
        await put(bundoc, id, b"{}")
    exported = await bodies(bundoc)

    await imported(bundoc, exported, None, caller=OTHER_SERVER)

    assert created(await bodies(bundoc, OTHER_SERVER)) == created(exported)


@pytest.mark.parametrize("sent", [b"1", b"null", b'"yesterday"', b'"2024-02-30T00:00:00Z"', b'{"a":[1]}'])
async def test_a_line_whose_time_of_creation_is_no_time_is_refused(bundoc: Bundoc, sent: bytes) -> None:
    done = await imported(bundoc, b'{"_id":"a","_created":%b}' % sent, "posts")

    (refused,) = done.errors
    assert (done.failed, refused.code) == (1, "invalid_document")
    assert "_created must be a time in RFC 3339" in refused.detail


async def test_an_import_without_lines_imports_nothing(bundoc: Bundoc) -> None:
    """Each import begins with an empty call, which refuses a caller without permission before the body arrives."""
    done = await bundoc.import_documents(SERVER, "posts", ImportMode.CREATE, ())

    assert done == Imported()


async def test_an_export_is_in_the_order_of_ids_and_continues_after_a_given_id(bundoc: Bundoc) -> None:
    for collection in ("a", "b", "c"):
        for number in range(3):
            await bundoc.create(SERVER, collection, b'{"_id":"d%d"}' % number)

    one = await exported_ids(bundoc, "b", "d0")
    whole = await exported_ids(bundoc, None, "b/d1")

    assert one == ["d1", "d2"]
    assert whole == ["b/d2", "c/d0", "c/d1", "c/d2"]
    with pytest.raises(CollectionNotFound):
        await exported_ids(bundoc, "nothing", "")


@pytest.mark.parametrize(
    ("collection", "after", "at"),
    [("No", "", "collection"), ("b", "a b", "after"), (None, "b", "after"), (None, "No/d1", "after")],
)
async def test_a_refused_export_names_the_wrong_parameter(
    bundoc: Bundoc, collection: str | None, after: str, at: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await exported_ids(bundoc, collection, after)

    assert [error["path"] for error in refused.value.extra["errors"]] == [at]


async def test_the_import_mode_decides_about_documents_that_already_exist(bundoc: Bundoc) -> None:
    await put(bundoc, "d1", b'{"n":"old"}')
    lines = b'{"_id":"d1","_rev":7,"_created":"2020-01-01T00:00:00.000Z","n":"new"}\n{"_id":"d2"}\n'

    created = await imported(bundoc, lines, "posts", ImportMode.CREATE)
    skipped = await imported(bundoc, lines, "posts", ImportMode.SKIP)
    assert b'"old"' in (await bundoc.get(SERVER, "posts", "d1")).body
    replaced = await imported(bundoc, lines, "posts", ImportMode.REPLACE)

    assert (created.imported, created.failed, created.errors[0].code) == (1, 1, "document_exists")
    assert (skipped.imported, skipped.skipped, skipped.failed) == (0, 2, 0)
    assert (replaced.imported, replaced.failed) == (2, 0)
    document = msgspec.json.decode((await bundoc.get(SERVER, "posts", "d1")).body)
    assert (document["n"], document["_rev"]) == ("new", 2)
    assert not document["_created"].startswith("2020")


async def test_an_imported_file_may_have_a_byte_order_mark_and_windows_line_ends(bundoc: Bundoc) -> None:
    done = await imported(bundoc, b'\xef\xbb\xbf{"_id":"d1"}\r\n\r\n{"_id":"d2"}\r\n\xef\xbb\xbf{"_id":"d3"}', "posts")

    assert (done.imported, done.failed, done.errors[0].line) == (2, 1, 4)


async def test_the_last_of_two_imported_lines_for_one_document_counts(bundoc: Bundoc) -> None:
    lines = b"".join(b'{"_id":"d1","n":%d,"filling":"%b"}\n' % (n, b"x" * (20_000 * (n % 2))) for n in range(9))

    done = await imported(bundoc, lines, "posts", ImportMode.REPLACE)

    assert done.imported == 9
    assert b'"n":8' in (await bundoc.get(SERVER, "posts", "d1")).body


async def test_an_error_names_its_line_and_stops_no_other_line(bundoc: Bundoc) -> None:
    lines = b"\n".join(
        (
            b'{"_id":"good1"}',
            b'{"_id":"broken"',
            b"",
            b'{"_id":7}',
            b"[1]",
            b'{"_id":"a/b"}',
            b'{"_mine":1}',
            b'{"a":NaN}',
            b'{"a":"\xff"}',
            b'{"filling":"%b"}' % (b"x" * (1 << 20)),
            b'{"filling":"%b"}' % (b"x" * (3 << 20)),
            b"[" * 5000,
            b'{"_id":"good2"}',
        )
    )

    done = await imported(bundoc, lines, "posts")

    assert (done.imported, done.failed, done.last_line) == (2, 10, 13)
    assert [(error.line, error.code) for error in done.errors] == [
        (2, "malformed_request"),
        (4, "invalid_document"),
        (5, "invalid_document"),
        (6, "invalid_document"),
        (7, "invalid_document"),
        (8, "malformed_request"),
        (9, "malformed_request"),
        (10, "document_too_large"),
        (11, "document_too_large"),
        (12, "invalid_document"),
    ]


async def test_exported_lines_of_a_whole_project_name_their_collection(bundoc: Bundoc) -> None:
    lines = b'{"collection":"a","document":{"_id":"d1"}}\n{"_id":"d2"}\n{"collection":"A","document":{}}\n'

    done = await imported(bundoc, lines, None)

    assert (done.imported, [(error.line, error.code) for error in done.errors]) == (
        1,
        [(2, "invalid_input"), (3, "invalid_input")],
    )


REFERRING = CollectionSpec(schema={"properties": {"list": {"type": "string", "x-ref": "lists"}}})
TREE = CollectionSpec(schema={"properties": {"parent": {"type": "string", "x-ref": "tree"}}})


async def test_an_export_is_imported_where_the_same_schemas_refer_to_each_other(bundoc: Bundoc) -> None:
    for caller in (SERVER, OTHER_SERVER):
        await bundoc.put_collection(caller, "items", REFERRING)
        await bundoc.put_collection(caller, "tree", TREE)
    await bundoc.create(SERVER, "lists", b'{"_id":"l1"}')
    await bundoc.create(SERVER, "items", b'{"_id":"i1","list":"l1"}')
    for number in range(9, 0, -1):
        parent = b"" if number == 9 else b',"parent":"t%d"' % (number + 1)
        await bundoc.create(SERVER, "tree", b'{"_id":"t%d"%b}' % (number, parent))
    exported = await bodies(bundoc)

    done = await imported(bundoc, exported, None, caller=OTHER_SERVER)

    assert counts(done) == Imported(imported=11, last_line=11)
    assert (await exported_ids(bundoc, None, "lists/l1"))[0] == "items/i1"


async def test_lines_that_refer_to_later_lines_are_imported_at_the_end(bundoc: Bundoc) -> None:
    await bundoc.put_collection(SERVER, "items", REFERRING)
    later = b"".join(b'{"collection":"items","document":{"_id":"i%d","list":"l1"}}\n' % number for number in range(700))

    done = await imported(bundoc, later + b'{"collection":"lists","document":{"_id":"l1"}}\n', None)

    assert counts(done) == Imported(imported=701, last_line=701)


async def test_a_line_whose_reference_leads_nowhere_is_listed_as_unresolved(bundoc: Bundoc) -> None:
    await bundoc.put_collection(SERVER, "items", REFERRING)

    done = await imported(bundoc, b'{"_id":"i1","list":"gone"}\nnonsense\n{"_id":"i2"}\n', "items")

    assert (done.imported, done.failed, done.last_line, done.unresolved) == (1, 2, 3, (1,))
    assert [(error.line, error.code) for error in done.errors] == [(1, "invalid_document"), (2, "malformed_request")]


async def test_kept_lines_are_reported_if_the_import_ends_early() -> None:
    batches: list[int] = []

    async def send(lines: tuple[ImportLine, ...]) -> Imported:
        batches.append(len(lines))
        if len(batches) == 2:
            raise BundocBusy("Try again in a second.")
        first = lines[0].number
        return Imported(imported=len(lines) - 1, failed=1, last_line=lines[-1].number, unresolved=(first,))

    importing = Importing(send)
    with pytest.raises(BundocBusy):
        await importing.feed(b"{}\n" * 1001)

    assert (importing.done.imported, importing.done.failed, importing.unresolved) == (499, 0, (1,))


async def test_only_the_first_thousand_errors_of_an_import_are_listed(bundoc: Bundoc) -> None:
    done = await imported(bundoc, b"nonsense\n" * 1200, "posts")

    assert (done.failed, len(done.errors), done.errors[-1].line) == (1200, 1000, 1000)


async def test_an_import_can_continue_from_a_given_line(bundoc: Bundoc) -> None:
    lines = b"".join(b'{"_id":"d%d"}\n' % number for number in range(1, 11))

    done = await imported(bundoc, lines, "posts", from_line=8)

    assert (done.imported, done.last_line) == (3, 10)
    assert await exported_ids(bundoc, "posts", "") == ["d10", "d8", "d9"]


async def test_a_project_that_stays_busy_ends_an_import_at_a_known_line() -> None:
    sent: list[int] = []

    async def send(lines: tuple[ImportLine, ...]) -> Imported:
        if sent:
            raise BundocBusy("Try again in a second.")
        sent.append(len(lines))
        return Imported(imported=len(lines), last_line=lines[-1].number)

    importing = Importing(send)
    with pytest.raises(BundocBusy):
        await importing.feed(b"{}\n" * 1001)

    assert (importing.done.imported, importing.done.last_line) == (500, 500)


async def test_only_servers_and_developers_export_and_import(bundoc: Bundoc) -> None:
    await put(bundoc, "d1")
    for caller, refusal in (
        (ANYONE, RuleDenied),
        (publishable_caller("prj_a"), RuleDenied),
        (member_caller("prj_a", Role.VIEWER), Forbidden),
    ):
        with pytest.raises(refusal):
            await bodies(bundoc, caller)
        with pytest.raises(refusal):
            await imported(bundoc, b"{}", "posts", caller=caller)

    assert await bodies(bundoc, OWNER) == await bodies(bundoc, SERVER)


@given(st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=12), st.data())
def test_imported_lines_do_not_depend_on_how_the_body_is_split(lines: list[bytes], data: st.DataObject) -> None:
    whole, cut = b"\n".join(lines), Lines(max_bytes=8)
    found: list[ImportLine] = []
    while whole:
        size = data.draw(st.integers(1, len(whole)))
        found += cut.feed(whole[:size])
        whole = whole[size:]
    found += cut.end()

    short = [(number, line) for number, line in enumerate(lines, 1) if len(line) <= 8]
    texts = [(n, (line.removeprefix(BOM_UTF8) if n == 1 else line).strip()) for n, line in short]
    assert [(one.number, one.text) for one in found] == [(n, text) for n, text in texts if text]
    assert cut.too_long == [number for number, line in enumerate(lines, 1) if len(line) > 8]


async def imported(
    bundoc: Bundoc,
    lines: bytes,
    collection: str | None,
    mode: ImportMode = ImportMode.CREATE,
    from_line: int = 1,
    caller: Caller = SERVER,
) -> Imported:
    """Import the lines in pieces, as the route does."""
    importing = Importing(lambda batch: bundoc.import_documents(caller, collection, mode, batch), from_line)
    for start in range(0, len(lines), 65_536):
        await importing.feed(lines[start : start + 65_536])
    return await importing.end()


def created(exported: bytes) -> dict[str, str]:
    """Return `_created` of each document in an export."""
    documents = [msgspec.json.decode(line)["document"] for line in exported.splitlines()]
    return {one["_id"]: one["_created"] for one in documents}


def counts(done: Imported) -> Imported:
    """Return a result without the project's state."""
    return msgspec.structs.replace(done, seq="")


async def exported_ids(bundoc: Bundoc, collection: str | None, after: str) -> list[str]:
    lines = b"".join([part.lines async for part in bundoc.export_documents(SERVER, collection, after)]).splitlines()
    return [named(msgspec.json.decode(line)) for line in lines]


def named(line: dict[str, object]) -> str:
    if "document" not in line:
        return str(line["_id"])
    document = line["document"]
    assert isinstance(document, dict)
    return f"{line['collection']}/{document['_id']}"


def own(line: bytes) -> bytes:
    """Return the line without system fields, byte for byte."""
    return line[: line.index(b'"_rev"')] + line[line.index(b"_updated") + 36 :]
