"""After any error that ended a scan, later reads see the last writes.

REFUSALS lists every error that can end a scan; a new kind of error must be added to it. The test keeps each exception
while it reads everything again: its traceback keeps the frames of the error and their generators in memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import apsw
import msgspec
import pytest

from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.query.budgets import Budgets
from bunbase.bundoc.query.filters import EVERYTHING
from bunbase.bundoc.query.rows import Row
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.sort import parse_sort
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile
from bunbase.bundoc.sqlite_engine.searching import Searching
from bunbase.bundoc.transfer.service import TransferService
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, MisfitQuery, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Aggregation, Query
from bunbase.contracts.bundoc.problems import InvalidQuery, QueryNeedsIndex, QueryTooSlow
from bunbase.contracts.caller import EndUser
from bunbase.pkg.errors import Problem
from bunbase.pkg.sealed_sqlite.scanners import Scan
from tests.rooms import publishable_caller, secret_caller

P, MANY, ONE = "prj_a", "many", "one"
SERVER: Final = secret_caller(P)
ADA: Final = publishable_caller(P, EndUser("ada", "ada@example.com", "", {}, ""))

DOCUMENTS: Final = 1001
MAX_SCAN: Final = 500

MOST_GROUPS: Final = 1000
PATIENT: Final = 1200  # The patient service may examine this many documents.


class Place:
    """An engine with many documents, a service that refuses long scans (`hasty`), and a service that allows them."""

    def __init__(self, engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine = engine
        self.monkeypatch = monkeypatch
        self.hasty = BundocService(engine, bound=Budgets(MAX_SCAN), unbound=Budgets(MAX_SCAN))
        self.patient = BundocService(engine, bound=Budgets(PATIENT), unbound=Budgets(PATIENT))
        monkeypatch.setattr("bunbase.bundoc.query.groups.MAX_GROUPS", MOST_GROUPS)

    @property
    def file(self) -> ProjectFile:
        file = self.engine.files.ready(P)
        assert file is not None
        return file


Refuse = Callable[[Place], Awaitable[Any]]

GROUPS: Final = Aggregation(b'{"n":{"$count":true}}', b"{}", ("v",))
SUM: Final = Aggregation(b'{"s":{"$sum":"v"}}', b"{}", ())


async def too_many_groups(place: Place) -> None:
    await place.patient.aggregate(SERVER, MANY, GROUPS)


async def too_many_groups_for_a_visitor(place: Place) -> None:
    await place.patient.aggregate(ADA, MANY, GROUPS)


async def too_much_to_aggregate(place: Place) -> None:
    await place.hasty.aggregate(SERVER, MANY, SUM)


async def too_much_for_a_page(place: Place) -> None:
    await place.hasty.query(SERVER, MANY, Query(b'{"v":{"$lt":0}}', limit=60))


async def too_much_for_a_short_page(place: Place) -> None:
    await place.hasty.query(SERVER, MANY, Query(b'{"v":{"$lt":0}}', limit=5))


async def too_much_to_count(place: Place) -> None:
    await place.hasty.query(SERVER, MANY, Query(b'{"v":{"$lt":0}}', limit=1, count=True))


async def too_much_to_order(place: Place) -> None:
    await place.hasty.query(SERVER, MANY, Query(sort=("-v",), limit=60))


async def too_many_words_found(place: Place) -> None:
    await place.hasty.query(SERVER, MANY, Query(b'{"$search":"word"}', limit=60))


async def no_index_for_words(place: Place) -> None:
    await place.hasty.query(SERVER, ONE, Query(b'{"$search":"word"}', limit=60))


async def rules_over_many(place: Place) -> None:
    place.monkeypatch.setattr("bunbase.bundoc.service.rights.SCAN_STEPS", 3000)
    await place.patient.query(ADA, "asked", Query(b'{"v":{"$gte":0}}', limit=60, count=True))


async def rules_over_many_in_order(place: Place) -> None:
    place.monkeypatch.setattr("bunbase.bundoc.service.rights.SCAN_STEPS", 3000)
    await place.patient.query(ADA, "asked", Query(sort=("-v",), limit=60))


async def rules_over_many_groups(place: Place) -> None:
    place.monkeypatch.setattr("bunbase.bundoc.service.rights.SCAN_STEPS", 3000)
    await place.patient.aggregate(ADA, "asked", GROUPS)


async def hidden_fields_of_many(place: Place) -> None:
    place.monkeypatch.setattr("bunbase.bundoc.service.rights.SCAN_STEPS", 300)
    await place.patient.query(ADA, "veiled", Query(limit=60))


async def too_much_to_expand(place: Place) -> None:
    place.monkeypatch.setattr("bunbase.bundoc.reading.expanding.MAX_EXPANDED", 3)
    await place.patient.query(SERVER, "refers", Query(limit=60, expand=("to",)))


async def a_fold_that_fails(place: Place) -> None:
    def fold(documents: Iterator[Row]) -> None:
        next(documents), next(documents)
        raise InvalidQuery("enough", path="")

    await place.engine.fold(P, MANY, Search(max_scan=PATIENT), fold)


async def a_fold_of_a_filter_that_fails(place: Place) -> None:
    def fold(documents: Iterator[Row]) -> None:
        for _ in zip(range(5), documents, strict=False):
            pass
        raise InvalidQuery("enough", path="")

    await place.engine.fold(P, MANY, Search(order=parse_sort(("v",)), max_scan=PATIENT), fold)


def _fails(_stored: StoredDocument, _lookup: Lookup) -> bool:
    raise InvalidQuery("this document cannot be asked about", path="")


async def a_rule_that_fails_in_the_midst(place: Place) -> None:
    await place.engine.search(P, MANY, Search(order=parse_sort(("v",)), limit=60, residual=_fails, max_scan=PATIENT))


async def a_position_that_fails(place: Place) -> None:
    def fails(_searching: Searching, _document: StoredDocument) -> bytes:
        raise InvalidQuery("this document has no place", path="")

    place.monkeypatch.setattr(Searching, "position", fails)
    await place.engine.search(P, MANY, Search(order=parse_sort(("v",)), limit=60, max_scan=PATIENT))


async def a_position_that_fails_in_the_loop(place: Place) -> None:
    def fails(_searching: Searching, _document: StoredDocument) -> bytes:
        raise InvalidQuery("this document has no place", path="")

    place.monkeypatch.setattr(Searching, "position", fails)
    await place.engine.search(P, MANY, Search(EVERYTHING, limit=5, max_scan=PATIENT))


async def a_snapshot_that_fails(place: Place) -> None:
    def work(lookup: Lookup) -> None:
        lookup(MANY, "d1")
        raise InvalidQuery("enough", path="")

    await place.engine.snapshot(P, work)


def _over_after(place: Place, looks: int) -> None:
    left = iter(range(looks))
    place.monkeypatch.setattr(Scan, "over", lambda _scan: next(left, None) is None)


async def out_of_time_in_a_page(place: Place) -> None:
    _over_after(place, 20)
    await place.patient.query(SERVER, MANY, Query(b'{"v":{"$lt":0}}', limit=60))


async def out_of_time_in_groups(place: Place) -> None:
    _over_after(place, 20)
    await place.patient.aggregate(SERVER, MANY, GROUPS)


async def out_of_time_in_words(place: Place) -> None:
    _over_after(place, 20)
    await place.patient.query(SERVER, MANY, Query(b'{"$search":"word"}', limit=60))


async def a_pattern_that_would_take_too_long(place: Place) -> None:
    place.monkeypatch.setattr("bunbase.pkg.patterns.SECONDS_FOR_AN_INSTRUCTION", 1.0)
    await place.patient.query(SERVER, MANY, Query(b'{"t":{"$regex":"w"}}', limit=60))


async def a_key_that_would_take_too_long(place: Place) -> None:
    left = iter([1.0, 1.0])
    place.monkeypatch.setattr("bunbase.bundoc.sqlite_engine.watch.scan_seconds_left", lambda: next(left, -1.0))
    await place.patient.query(SERVER, MANY, Query(b'{"o":{"$ne":{"x":1}}}', limit=60))


async def out_of_time_for_misfits(place: Place) -> None:
    _over_after(place, 0)
    await place.patient.misfits(SERVER, MANY, MisfitQuery(schema={"required": ["x"]}))


async def out_of_time_for_collections(place: Place) -> None:
    _over_after(place, 0)
    await place.patient.collections(SERVER)


async def an_error_of_the_database(place: Place) -> None:
    def broken(scanner: apsw.Connection) -> None:
        rows = scanner.execute(f"SELECT id FROM {place.file.tables[MANY].name}")
        next(rows)
        raise InvalidQuery("a bug that leaves its rows open", path=str(rows))

    await place.engine._scan(P, lambda file: file.scanned(broken))


REFUSALS: Final[dict[str, tuple[Refuse, type[Problem]]]] = {
    refuse.__name__: (refuse, expected)
    for refuse, expected in (
        (too_many_groups, InvalidQuery),
        (too_many_groups_for_a_visitor, InvalidQuery),
        (too_much_to_aggregate, QueryNeedsIndex),
        (too_much_for_a_page, QueryNeedsIndex),
        (too_much_for_a_short_page, QueryNeedsIndex),
        (too_much_to_count, QueryNeedsIndex),
        (too_much_to_order, QueryNeedsIndex),
        (too_many_words_found, QueryNeedsIndex),
        (no_index_for_words, QueryNeedsIndex),
        (rules_over_many, QueryTooSlow),
        (rules_over_many_in_order, QueryTooSlow),
        (rules_over_many_groups, QueryTooSlow),
        (hidden_fields_of_many, QueryTooSlow),
        (too_much_to_expand, InvalidQuery),
        (a_fold_that_fails, InvalidQuery),
        (a_fold_of_a_filter_that_fails, InvalidQuery),
        (a_rule_that_fails_in_the_midst, InvalidQuery),
        (a_position_that_fails, InvalidQuery),
        (a_position_that_fails_in_the_loop, InvalidQuery),
        (a_snapshot_that_fails, InvalidQuery),
        (out_of_time_in_a_page, QueryTooSlow),
        (out_of_time_in_groups, QueryTooSlow),
        (out_of_time_in_words, QueryTooSlow),
        (a_pattern_that_would_take_too_long, QueryTooSlow),
        (a_key_that_would_take_too_long, QueryTooSlow),
        (out_of_time_for_misfits, QueryTooSlow),
        (out_of_time_for_collections, QueryTooSlow),
        (an_error_of_the_database, InvalidQuery),
    )
}
# This error leaves its rows open on purpose, and the pool must detect this.
LEAVES_ROWS_OPEN: Final = "an_error_of_the_database"


async def filled(service: BundocService) -> None:
    every = Rules(list="true", get="true")
    words = IndexSpec(("t",), "words", type="text")
    await service.put_collection(SERVER, MANY, CollectionSpec((words,), every))
    await service.put_collection(SERVER, ONE, CollectionSpec(rules=every))
    asked = Rules(list='exists("one", doc.to) && doc.v >= 0')
    await service.put_collection(SERVER, "asked", CollectionSpec(rules=asked))
    await service.put_collection(SERVER, "veiled", CollectionSpec(rules=Rules(list="true", hidden={"x": "doc.v > 9"})))
    refers = {"properties": {"to": {"type": "string", "x-ref": ONE}}}
    await service.put_collection(SERVER, "refers", CollectionSpec(schema=refers))
    for number in range(5):
        await service.put(SERVER, ONE, f"o{number}", b'{"n":0}', NO_PRECONDITION)
        await service.create(SERVER, "refers", b'{"to":"o%d"}' % number)
    for collection, many in ((MANY, DOCUMENTS), ("asked", DOCUMENTS), ("veiled", 60)):
        writes = [
            {
                "op": "create",
                "collection": collection,
                "id": f"d{n}",
                "data": {"v": n, "t": "word", "to": "o1", "o": {}},
            }
            for n in range(many)
        ]
        for start in range(0, many, 500):
            await service.commit(SERVER, msgspec.json.encode({"writes": writes[start : start + 500]}))


async def everything_read(service: BundocService) -> dict[str, Any]:
    """Return `n` of the document `one/o0`, through every call that reads it."""
    seen: dict[str, Any] = {}

    def first(page: Any, field: str = "n") -> Any:
        return msgspec.json.decode(page.body)["items"][0].get(field)

    total = Aggregation(b'{"s":{"$max":"n"}}', b"{}", ())
    seen["get"] = msgspec.json.decode((await service.get(SERVER, ONE, "o0")).body)["n"]
    seen["get as a visitor"] = msgspec.json.decode((await service.get(ADA, ONE, "o0")).body)["n"]
    seen["aggregate"] = first(await service.aggregate(SERVER, ONE, total), "s")
    seen["short list"] = first(await service.list(SERVER, ONE, 2, None))
    seen["long list"] = first(await service.list(SERVER, ONE, 60, None))
    seen["short query"] = first(await service.query(ADA, ONE, Query(limit=2)))
    seen["long query"] = first(await service.query(ADA, ONE, Query(limit=60)))
    seen["pattern"] = first(await service.query(SERVER, ONE, Query(b'{"_id":{"$regex":"0"}}', limit=2)))
    transfer = TransferService(service.engine, service)
    lines = [part.lines async for part in transfer.export_documents(SERVER, ONE, "")]
    seen["export"] = msgspec.json.decode(lines[0].split(b"\n")[0])["n"]
    return seen


async def refused(place: Place, refuse: Refuse) -> BaseException:
    with pytest.MonkeyPatch.context() as patched:
        place.monkeypatch = patched
        with pytest.raises(Problem) as held:
            await refuse(place)
    return held.value


async def test_reads_after_any_refused_scan_see_the_last_writes(
    engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the pool takes a reader back, it checks that the reader has no open statement."""
    place = Place(engine, monkeypatch)
    await filled(place.patient)
    for number, (name, (refuse, expected)) in enumerate(REFUSALS.items(), 1):
        thrown_away, reader = place.file.scanners.thrown_away, place.file.reader

        held = await refused(place, refuse)
        await place.patient.put(SERVER, ONE, "o0", b'{"n":%d}' % number, NO_PRECONDITION)
        seen = await everything_read(place.patient)

        assert isinstance(held, expected), name
        assert set(seen.values()) == {number}, (name, seen)
        clean = place.file.scanners.thrown_away == thrown_away and place.file.reader is reader
        assert clean != (name == LEAVES_ROWS_OPEN), name
