"""Groups by dates and by elements of arrays, their order and pages, and values that follow an order of documents."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.bundoc.query import groups
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.documents import Aggregation
from bunbase.contracts.bundoc.problems import InvalidQuery
from bunbase.pkg.cursors import InvalidCursor
from tests.bundoc.reading.test_queries import CALLER, C, put

COUNT: dict[str, Any] = {"n": {"$count": True}}
BERLIN = {"$dateTrunc": {"field": "paid_at", "unit": "month", "timezone": "Europe/Berlin"}}


def aggregation(values: dict[str, Any], *group: Any, **more: Any) -> Aggregation:
    return Aggregation(msgspec.json.encode(values), group=group, **more)


async def items(service: BundocService, asked: Aggregation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode((await service.aggregate(CALLER, C, asked)).body)["items"]
    return found


async def test_groups_by_month_follow_the_clocks_of_the_time_zone(service: BundocService) -> None:
    times = [
        "2026-01-31T22:59:59Z",
        "2026-01-31T23:00:00Z",
        "2026-03-31T23:30:00+01:00",
        "2026-02-30T00:00:00Z",
        None,
        7,
    ]
    for number, time in enumerate(times):
        await put(service, f"d{number}", {"paid_at": time})

    found = await items(service, aggregation(COUNT, BERLIN | {"as": "month"}))

    assert found == [
        {"month": None, "n": 3},
        {"month": "2026-01-01T00:00:00+01:00", "n": 1},
        {"month": "2026-02-01T00:00:00+01:00", "n": 1},
        {"month": "2026-04-01T00:00:00+02:00", "n": 1},
    ]


@pytest.mark.parametrize(
    ("time", "unit", "timezone", "start"),
    [
        ("2026-03-29T01:30:00Z", "hour", "Europe/Berlin", "2026-03-29T03:00:00+02:00"),
        ("2025-10-26T00:30:00Z", "hour", "Europe/Berlin", "2025-10-26T02:00:00+02:00"),
        ("2025-10-26T01:30:00Z", "hour", "Europe/Berlin", "2025-10-26T02:00:00+01:00"),
        ("2018-11-04T12:00:00Z", "day", "America/Sao_Paulo", "2018-11-04T01:00:00-02:00"),  # this day has no midnight
        ("2026-08-15T00:00:00+09:00", "quarter", "Asia/Tokyo", "2026-07-01T00:00:00+09:00"),
        ("2026-01-01T00:00:00Z", "week", "UTC", "2025-12-29T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "day", "UTC", "9999-12-31T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "week", "UTC", "9999-12-27T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "month", "UTC", "9999-12-01T00:00:00Z"),
        ("9999-12-31T12:00:00Z", "year", "America/New_York", "9999-01-01T00:00:00-05:00"),
        ("2026-01-01T00:00:59.5Z", "minute", "UTC", "2026-01-01T00:00:00Z"),
        # the offset of this time had seconds
        ("1850-01-01T12:00:00Z", "year", "Europe/Berlin", "1849-12-31T23:06:32Z"),
        ("0001-01-01T00:00:00Z", "year", "America/New_York", None),  # the result would be in the year 0
    ],
)
async def test_a_time_belongs_to_the_unit_that_local_clocks_show(
    service: BundocService, time: str, unit: str, timezone: str, start: str | None
) -> None:
    await put(service, "d", {"at": time})
    group = {"$dateTrunc": {"field": "at", "unit": unit, "timezone": timezone}}

    assert await items(service, aggregation(COUNT, group)) == [{"at": start, "n": 1}]


async def test_a_document_belongs_once_to_the_group_of_each_element(service: BundocService) -> None:
    for id, tags in {"a": ["x", "y", "x"], "b": ["y", 1.0, 1], "c": [], "d": "x", "e": [{"k": 1}]}.items():
        await put(service, id, {"tags": tags, "price": 2, "lines": [{"sku": "s"}, {"sku": "t"}]})

    found = await items(service, aggregation({"sum": {"$sum": "price"}}, {"$each": "tags"}))
    deep = await items(service, aggregation(COUNT, {"$each": "lines.sku", "as": "sku"}))

    assert [(one["tags"], one["sum"]) for one in found] == [(None, 2), (1, 2), ("x", 4), ("y", 4), ({"k": 1}, 2)]
    assert deep == [{"sku": "s", "n": 5}, {"sku": "t", "n": 5}]


async def test_pages_of_sorted_groups_hold_every_group_once(service: BundocService) -> None:
    for number in range(12):
        await put(service, f"d{number:02}", {"kind": f"k{number % 5}", "price": number})
    values = {"total": {"$sum": "price"}} | COUNT
    whole = await items(service, aggregation(values, "kind", sort=("-n", "total")))

    found: list[Any] = []
    cursor, pages = None, 0
    while cursor is not None or not pages:
        asked = aggregation(values, "kind", sort=("-n", "total"), limit=2, cursor=cursor)
        page = msgspec.json.decode((await service.aggregate(CALLER, C, asked)).body)
        found, cursor, pages = [*found, *page["items"]], page["next"], pages + 1

    assert found == whole
    assert pages == 3
    assert [(one["kind"], one["n"], one["total"]) for one in whole] == [
        ("k0", 3, 15), ("k1", 3, 18), ("k2", 2, 9), ("k3", 2, 11), ("k4", 2, 13),
    ]  # fmt: skip


async def test_a_cursor_of_another_aggregate_is_refused(service: BundocService) -> None:
    for number in range(3):
        await put(service, f"d{number}", {"kind": number})
    page = await service.aggregate(CALLER, C, aggregation(COUNT, "kind", limit=1))
    cursor = msgspec.json.decode(page.body)["next"]

    with pytest.raises(InvalidCursor):
        await service.aggregate(CALLER, C, aggregation(COUNT, "kind", sort=("-n",), limit=1, cursor=cursor))


async def test_first_last_and_push_follow_their_order(service: BundocService) -> None:
    for id, price, at in (("a", 1, 3), ("b", 2, 1), ("c", 3, 2), ("d", None, 0)):
        await put(service, id, {"price": price, "at": at})
    values = {
        "first": {"$first": "price"}, "last": {"$last": {"field": "price"}},
        "earliest": {"$first": {"field": "price", "sort": ["at"]}},
        "latest": {"$last": {"field": "price", "sort": ["at"]}},
        "all": {"$push": "price"}, "two": {"$push": {"field": "_id", "sort": ["-at"], "limit": 2}},
    }  # fmt: skip

    (found,) = await items(service, aggregation(values))

    assert found == {"first": 1, "last": None, "earliest": None, "latest": 1, "all": [1, 2, 3, None], "two": ["a", "c"]}


async def test_sums_of_decimals_are_exact(service: BundocService) -> None:
    for number, price in enumerate([0.1, 0.2, 790.7, 1e-7, -1e-7, 2.0]):
        await put(service, f"d{number}", {"price": price})

    (found,) = await items(service, aggregation({"sum": {"$sum": "price"}, "avg": {"$avg": "price"}}))

    assert (found["sum"], found["avg"]) == (793.0, 793 / 6)


@pytest.mark.parametrize(
    ("asked", "at"),
    [
        (aggregation(COUNT, {"$each": "a"}, {"$each": "b"}), "/group"),
        (aggregation(COUNT, {"$each": 1}), "/group/0/$each"),
        (aggregation(COUNT, {"$each": "a", "name": "b"}), "/group/0"),
        (aggregation(COUNT, "a", {"$each": "a"}), "/group"),
        (aggregation(COUNT, {"$dateTrunc": {"field": "a", "unit": "decade"}}), "/group/0/$dateTrunc/unit"),
        (aggregation(COUNT, {"$dateTrunc": {"field": "a", "unit": ["day"]}}), "/group/0/$dateTrunc/unit"),
        (
            aggregation(COUNT, {"$dateTrunc": {"field": "a", "unit": "day", "timezone": "../etc/passwd"}}),
            "/group/0/$dateTrunc/timezone",
        ),
        (aggregation(COUNT, {"$dateTrunc": {"unit": "day"}}), "/group/0"),
        (aggregation(COUNT, {"$each": "a", "as": ""}), "/group/0/as"),
        (aggregation(COUNT, "a", sort=("b",)), "/sort/0"),
        (aggregation(COUNT, "a", sort=("a", "-a")), "/sort"),
        (aggregation(COUNT, "a", limit=0), "/limit"),
        (aggregation(COUNT, "a", limit=1001), "/limit"),
        (aggregation({"n": {"$push": {"field": "a", "limit": 101}}}), "/values/n/$push/limit"),
        (aggregation({"n": {"$first": {"field": "a", "limit": 2}}}), "/values/n/$first"),
        (aggregation({"n": {"$last": {"field": "a", "sort": "b"}}}), "/values/n/$last/sort"),
        (aggregation({"n": {"$push": 7}}), "/values/n/$push"),
    ],
)
async def test_an_aggregate_that_makes_no_sense_is_refused(service: BundocService, asked: Aggregation, at: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        await service.aggregate(CALLER, C, asked)

    assert refused.value.extra["path"] == at


async def test_groups_that_would_take_too_much_memory_are_refused(
    service: BundocService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        await put(service, f"d{number}", {"text": f"{number}" * 100})
    for name, asked in {
        "MAX_GROUPS": aggregation(COUNT, "text"),
        "MAX_DIFFERENT": aggregation({"n": {"$countDistinct": "text"}}),
        "MAX_HELD_BYTES": aggregation({"n": {"$push": "text"}}),
        "MAX_POSITIONS_BYTES": aggregation({"n": {"$push": {"field": "missing", "sort": ["text"]}}}),
    }.items():
        with monkeypatch.context() as patched:
            patched.setattr(groups, name, 3)
            with pytest.raises(InvalidQuery):
                await service.aggregate(CALLER, C, asked)
        assert await items(service, asked)


async def test_objects_and_arrays_are_kept_as_they_were_stored_and_order_groups(service: BundocService) -> None:
    for number, value in enumerate(([1, {"a": 2.5}], {"b": []}, {"a": [None, 1e300]}, "text")):
        await put(service, f"d{number}", {"v": value})
    whole = {"first": {"$first": "v"}, "max": {"$max": "v"}, "all": {"$push": "v"}}

    for name in whole:
        groups = await items(service, aggregation(whole, "v", sort=(name,)))

        found = ["text", {"a": [None, 1e300]}, {"b": []}, [1, {"a": 2.5}]]
        assert groups == [{"v": one, "first": one, "max": one, "all": [one]} for one in found]


async def test_a_page_of_large_groups_ends_early_and_says_so(
    service: BundocService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await put(service, f"d{number}", {"text": f"{number}" * 100})
    monkeypatch.setattr(groups, "MAX_PAGE_BYTES", 150)

    page = msgspec.json.decode((await service.aggregate(CALLER, C, aggregation(COUNT, "text"))).body)

    assert (len(page["items"]), page["next"] is None) == (2, False)
