"""Digests of results: about once a minute, an edge gets a digest of the right result."""

from __future__ import annotations

from binascii import crc32

import pytest

from bunbase.bundoc.live import service as live_service
from bunbase.bundoc.live.service import LiveService
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.live import Check, LiveQuery
from tests.bundoc.live.following import SERVER, Following, put


@pytest.fixture
def second(live: LiveService, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time on the clock of checks."""
    time = [1000.0]
    monkeypatch.setattr(live_service, "monotonic", lambda: time[0])
    live.checked = 1000
    return time


async def minute(live: LiveService, second: list[float]) -> None:
    for _ in range(60):
        second[0] += 1
        await live.check()


async def test_each_group_is_checked_once_a_minute(
    service: BundocService, live: LiveService, following: Following, second: list[float]
) -> None:
    await put(service, "a", n=1)
    await put(service, "b", n=0)
    watches = [
        await following.watch(SERVER, 1, LiveQuery("posts", sort=("n",))),
        await following.watch(SERVER, 2, LiveQuery("posts", sort=("n",))),
        await following.watch(SERVER, 3, LiveQuery("posts", id="a")),
        await following.watch(SERVER, 4, LiveQuery("nothing")),
    ]
    await put(service, "a", n=2)
    await following.reached(3)
    await minute(live, second)
    await following.until(lambda: len(following.edge.checks) >= 3)

    assert {one.group: one for one in following.edge.checks} == {
        watches[0].group: Check(watches[0].group, 1, 2, crc32(b"b 1\na 2\n")),
        watches[2].group: Check(watches[2].group, 1, 1, crc32(b"a 2\n")),
        watches[3].group: Check(watches[3].group, 0, 0, 0),
    }

    await minute(live, second)
    await following.until(lambda: len(following.edge.checks) >= 6)
    await service.delete(SERVER, "posts", "a", NO_PRECONDITION)
    await following.reached(4)
    assert len(following.edge.checks) == 6


async def test_checks_that_were_delayed_come_at_once_but_not_twice(
    service: BundocService, live: LiveService, following: Following, second: list[float]
) -> None:
    await following.watch(SERVER, 1, LiveQuery("posts"))
    second[0] += 500
    await live.check()
    await live.check()
    await following.reached(await put(service, "a", n=1))

    assert len(following.edge.checks) == 1


async def test_a_result_without_revisions_is_not_checked(
    service: BundocService, live: LiveService, following: Following, second: list[float]
) -> None:
    await put(service, "a", n=1)
    await following.watch(SERVER, 1, LiveQuery("posts", select=("n",)))
    with_revisions = await following.watch(SERVER, 2, LiveQuery("posts", select=("n", "_rev")))
    await minute(live, second)
    await following.reached(await put(service, "b", n=1))

    assert [one.group for one in following.edge.checks] == [with_revisions.group]


async def test_an_edge_that_reads_slowly_gets_no_checks(
    service: BundocService, live: LiveService, following: Following, second: list[float]
) -> None:
    await following.watch(SERVER, 1, LiveQuery("posts"))
    live.edges["gateway"].max_bytes = -1

    await minute(live, second)
    live.edges["gateway"].max_bytes = 1 << 20
    await following.reached(await put(service, "a", n=1))

    assert following.edge.checks == []


async def test_a_write_that_concerns_no_result_is_followed_by_a_barrier(
    service: BundocService, following: Following
) -> None:
    """An edge answers `sync` only with barriers."""
    await following.watch(SERVER, 1, LiveQuery("posts", b'{"n":7}'))

    await following.reached(await put(service, "a", "others", n=1))

    assert f"{following.barriers[-1].epoch}.{following.barriers[-1].seq}" == following.edge.at
