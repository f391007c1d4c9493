"""Results whose bodies do not fit into memory: the server keeps only ids and digests, and results stay right."""

from __future__ import annotations

import pytest

from bunbase.bundoc.live import registry
from bunbase.bundoc.live.registry import Registry
from bunbase.bundoc.live.window import HeldRow, Window, difference
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.live import LiveQuery, TooManyLiveQueries
from tests.bundoc.live.following import SERVER, Following, ids, put

TEXT = "x" * 500


def groups_of(following: Following) -> Registry:
    return following.live.hubs["prj_a"].groups


@pytest.fixture
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_HELD_BYTES", 0)


@pytest.mark.usefixtures("_tiny")
async def test_a_result_without_bodies_follows_changes_and_sends_only_those(
    service: BundocService, following: Following
) -> None:
    for id in "abc":
        await put(service, id, n=1, text=TEXT + id)
    held = await following.watch(SERVER, 1, LiveQuery("posts", sort=("n",)))
    [group] = groups_of(following).by_name.values()
    await following.until(lambda: group.slim)
    said = len(held.said)

    await following.reached(await put(service, "b", n=2, text="new"))

    assert ids(held) == ["a", "c", "b"]
    told = b"".join(held.said[said:])
    assert b"new" in told
    assert TEXT.encode() not in told
    await following.until(lambda: group.slim)


@pytest.mark.usefixtures("_tiny")
async def test_a_later_member_gets_the_bodies_of_a_result_that_does_not_hold_them(
    service: BundocService, following: Following
) -> None:
    await put(service, "a", text=TEXT)
    first = await following.watch(SERVER, 1, LiveQuery("posts"))
    [group] = groups_of(following).by_name.values()
    await following.until(lambda: group.slim)
    said = len(first.said)

    second = await following.watch(SERVER, 2, LiveQuery("posts"))

    assert second.docs == first.docs
    assert TEXT.encode() in b"".join(second.said)
    assert first.said[said:] == []


async def test_results_that_grow_are_weighed_and_the_ones_queried_last_lose_their_bodies(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(service, "a", n=1)
    await put(service, "b", n=2)
    await following.watch(SERVER, 1, LiveQuery("posts", b'{"n":1}'))
    await following.watch(SERVER, 2, LiveQuery("posts", b'{"n":2}'))
    groups = groups_of(following)
    older, newer = groups.by_name.values()
    monkeypatch.setattr(registry, "MAX_HELD_BYTES", groups.held_bytes + 600)

    await following.reached(await put(service, "a", n=1, text=TEXT))
    assert (older.slim, newer.slim) == (False, False)
    await following.reached(await put(service, "a", n=1, text=TEXT + TEXT))

    await following.until(lambda: newer.slim)
    await following.until(lambda: older.slim)
    await following.reached(await put(service, "b", n=2, text="back"))
    assert ids(following.edge.held[2]) == ["b"]


async def test_results_that_are_too_large_together_refuse_another_query(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_TOTAL_BYTES", 2 * (len(TEXT) + 600))
    await put(service, "a", text=TEXT)
    await following.watch(SERVER, 1, LiveQuery("posts"))

    with pytest.raises(TooManyLiveQueries):
        await following.watch(SERVER, 2, LiveQuery("posts", limit=5))
    await following.watch(SERVER, 3, LiveQuery("posts"))  # This is the same query as the first one.

    await following.live.unwatch("gateway", (1, 3))
    await following.watch(SERVER, 4, LiveQuery("posts", limit=5))


def test_a_window_knows_the_bytes_of_its_bodies() -> None:
    window = Window([HeldRow(b"%d" % number, f"d{number}", b"x" * number) for number in range(5)], 3, False, None)
    assert window.bytes == 10

    window.change("d4", HeldRow(b"9", "d4", b"x" * 50), 0)
    window.change("d3", None, -1)

    assert window.bytes == sum(len(row.body) for row in window.rows) == 53


def test_the_difference_to_rows_without_bodies_is_that_to_the_whole_rows() -> None:
    old = [HeldRow(b"1", "a", b"A"), HeldRow(b"2", "b", b"B"), HeldRow(b"3", "c", b"C")]
    new = [HeldRow(b"1", "a", b"A"), HeldRow(b"4", "b", b"B"), HeldRow(b"5", "c", b"C2"), HeldRow(b"6", "d", b"D")]

    assert difference([row.slimmed() for row in old], new) == difference(old, new)
