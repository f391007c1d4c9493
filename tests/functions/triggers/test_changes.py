from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.problems import InvalidQuery
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.triggers import DataTrigger, JobStatus, RunOutcome, TriggerKind
from bunbase.functions.module import MODULE
from bunbase.functions.service import FunctionsService
from bunbase.functions.store.subscriptions import Feed, Source
from bunbase.functions.triggers import activation
from bunbase.functions.triggers.feeds import BATCH
from bunbase.functions.triggers.requests import KeptChange
from bunbase.pkg.errors import InvalidInput, Unreachable
from bunbase.pkg.modules import Rooms, Site
from tests.functions.calls import DEADLINE_SECONDS, MEMBER, PROJECT, SERVER, deploy, log_of, until
from tests.functions.neighbours import neighbours
from tests.functions.triggers.runs import SAY, dead_letters, jobs_of, outcomes, runs_of, said
from tests.rooms import opened

MISSED = BATCH + 20
FEED = Feed(PROJECT, Source.DOCUMENTS)
POSTS: list[dict[str, Any]] = [{"collection": "posts"}]


@pytest.fixture
def bundoc(rooms: Rooms) -> Bundoc:
    return rooms[Bundoc]


@pytest_asyncio.fixture
async def other(rooms: Rooms, here: Site, functions: FunctionsService) -> AsyncIterator[FunctionsService]:
    async with opened(MODULE, rooms, here, settings=functions.runner.settings) as service:
        yield service


async def write(bundoc: Bundoc, id: str, collection: str = "posts", **fields: Any) -> None:
    await bundoc.put(SERVER, collection, id, msgspec.json.encode(fields), NO_PRECONDITION)


async def test_a_function_runs_for_each_change_of_a_document(functions: FunctionsService, bundoc: Bundoc) -> None:
    await write(bundoc, "before", n=0)
    await deploy(functions, "f", SAY, on=POSTS)

    await write(bundoc, "a", n=1)
    [created] = await said(functions, "f", 1)
    await write(bundoc, "a", n=2)
    [_, updated] = await said(functions, "f", 2)
    await bundoc.delete(SERVER, "posts", "a", NO_PRECONDITION)
    await write(bundoc, "b", collection="others")
    [_, _, deleted] = await said(functions, "f", 3)

    body = created["body"]
    assert (body["op"], body["collection"], body["id"], body["rev"]) == ("create", "posts", "a", 1)
    assert (body["document"]["n"], body["document"]["_id"], created["trigger"]["kind"]) == (1, "a", "change")
    assert (updated["body"]["op"], updated["body"]["document"]["n"]) == ("update", 2)
    assert (deleted["body"]["op"], "document" in deleted["body"]) == ("delete", False)
    await until(lambda: not functions.runner.tasks)
    assert outcomes(await runs_of(functions, "f", 3)) == [RunOutcome.OK] * 3


async def test_a_change_arrives_with_the_document_before_it_if_the_collection_keeps_images(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await bundoc.put_collection(MEMBER, "posts", CollectionSpec(before_images=True))
    await deploy(functions, "f", SAY, on=POSTS)

    await write(bundoc, "a", n=1)
    await said(functions, "f", 1)
    await write(bundoc, "a", n=2)
    await said(functions, "f", 2)
    await bundoc.delete(SERVER, "posts", "a", NO_PRECONDITION)

    created, updated, deleted = [one["body"] for one in await said(functions, "f", 3)]
    assert "before" not in created
    assert [updated["before"]["n"], updated["document"]["n"]] == [1, 2]
    assert [deleted["before"]["n"], deleted["before"]["_rev"], "document" in deleted] == [2, 2, False]
    assert "has_image" not in deleted


async def test_a_change_whose_image_is_gone_arrives_without_it(functions: FunctionsService, bundoc: Bundoc) -> None:
    """A restored backup has a change log of its own, which lacks the changes of waiting jobs."""
    kept = KeptChange("update", "posts", "a", 2, "2026-11-30T06:00:00.000Z", seq=1, has_image=True)
    await write(bundoc, "a", n=1)
    attempts = functions.runner.attempts

    assert await attempts._image(SERVER, kept) is None
    assert await attempts._image(SERVER, msgspec.structs.replace(kept, seq=900)) is None


async def test_only_the_named_operations_of_matching_documents_count(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    paid = {"collection": "posts", "ops": ["create", "update"], "where": {"status": "paid", "n": {"$gt": 1}}}
    await deploy(functions, "paid", SAY, on=[paid])
    await deploy(functions, "gone", SAY, on=[{"collection": "posts", "ops": ["delete"]}])

    await write(bundoc, "a", status="open", n=5)
    await write(bundoc, "a", status="paid", n=5)
    await write(bundoc, "b", status="paid", n=1)
    await bundoc.delete(SERVER, "posts", "b", NO_PRECONDITION)

    assert [one["body"]["id"] for one in await said(functions, "gone", 1)] == ["b"]
    last = (await said(functions, "paid", 1))[-1]["body"]
    assert (last["id"], last["document"]["status"]) == ("a", "paid")
    assert {one["body"]["id"] for one in await said(functions, "paid", 1)} == {"a"}


async def test_changes_of_a_document_run_in_order_and_do_not_delay_other_documents(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(
        functions,
        "f",
        """async (req, ctx) => {
            const { id, rev } = await req.json();
            if (id === "stuck" && ctx.trigger.attempt === 1 && rev === 1) throw new Error("not yet");
            while (id === "stuck" && !globalThis.free) await Bun.sleep(5);
            if (id === "key") globalThis.free = true;
            console.log(JSON.stringify(id + rev));
        }""",
        on=POSTS,
        timeout_ms=300_000,  # on a busy machine the call waits long, and it must not time out
    )
    for n in range(3):
        await write(bundoc, "stuck", n=n)
    await until_blocked(functions, 2)

    for n in range(3):
        await write(bundoc, "other", n=n)
    assert await said(functions, "f", 3) == ["other1", "other2", "other3"]
    await write(bundoc, "key", n=0)

    assert (await said(functions, "f", 7))[-3:] == ["stuck1", "stuck2", "stuck3"]


async def until_blocked(functions: FunctionsService, count: int) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(await jobs_of(functions, JobStatus.BLOCKED)) < count:
            await asyncio.sleep(0.01)


async def test_a_change_that_never_succeeds_becomes_a_dead_letter_and_the_next_change_runs(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    fails_first = """async (req) => {
        const { rev } = await req.json();
        if (rev === 1 && !globalThis.mended) throw new Error("no");
        console.log(rev);
    }"""
    await deploy(functions, "f", fails_first, on=POSTS)

    await write(bundoc, "a", n=1)
    await write(bundoc, "a", n=2)

    [dead] = await dead_letters(functions, 1)
    assert (dead.kind, dead.attempt, dead.error) == (TriggerKind.CHANGE, 5, "function_error")
    assert len(await runs_of(functions, "f", 6)) == 6
    await deploy(functions, "f", "async (req) => console.log((await req.json()).rev + 10)", on=POSTS)
    await functions.replay_job(MEMBER, dead.id)
    assert await said(functions, "f", 2) == [2, 11]


async def test_no_change_is_lost_while_no_server_runs(rooms: Rooms, here: Site, bundoc: Bundoc) -> None:
    async with opened(MODULE, rooms, here) as functions:
        await deploy(functions, "f", SAY, on=POSTS)

    for n in range(MISSED):
        await write(bundoc, f"d{n}", n=n)

    async with opened(MODULE, rooms, here) as functions:
        seen = {one["body"]["id"] for one in await said(functions, "f", MISSED)}
        assert seen == {f"d{n}" for n in range(MISSED)}
        assert len(await log_of(functions, "f")) == MISSED


async def test_only_one_of_two_servers_follows_a_project(
    functions: FunctionsService, other: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", SAY, on=POSTS)
    for service in (functions, other):
        await service.feeds.keep()

    for n in range(30):
        await write(bundoc, f"d{n}", n=n)

    assert len({one["body"]["id"] for one in await said(functions, "f", 30)}) == 30
    assert len(functions.feeds.followed) + len(other.feeds.followed) == 1
    await until(lambda: not functions.runner.tasks and not other.runner.tasks)
    assert len(await runs_of(functions, "f", 30)) == 30


async def test_a_follower_that_lost_its_lease_adds_no_jobs(functions: FunctionsService, bundoc: Bundoc) -> None:
    await write(bundoc, "x", n=0)
    await deploy(functions, "f", SAY, on=POSTS)
    [subscription] = (await functions.stores.subscriptions.of(FEED, functions.runner.clock.now())).known
    await write(bundoc, "a", n=1)
    await said(functions, "f", 1)
    changes = await bundoc.changes(SERVER, 0, 100, 0)

    await functions.feeds._hand_on(FEED, subscription, changes)

    assert await jobs_of(functions) == []


async def test_missed_changes_are_recorded_as_a_resync_and_the_trigger_goes_on(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", SAY, on=POSTS)
    await write(bundoc, "a", n=1)
    await said(functions, "f", 1)
    await functions.stores.subscriptions.db.execute("UPDATE subscriptions SET cursor = 1000")

    await functions.feeds.turn(FEED, 0)

    [_, resync] = await runs_of(functions, "f", 2)
    assert (resync.outcome, resync.code) == (RunOutcome.RESYNC, "resync_required")
    assert any("were not seen" in line.text for line in await log_of(functions, "f"))
    await write(bundoc, "b", n=1)
    await runs_of(functions, "f", 3)


async def test_a_new_version_continues_after_the_last_change_of_the_previous_version(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", SAY, on=POSTS)
    await write(bundoc, "a", n=1)
    await said(functions, "f", 1)

    await deploy(functions, "f", SAY, on=[{"collection": "others"}])
    await write(bundoc, "b", n=1)
    await write(bundoc, "c", collection="others")

    assert [one["body"]["id"] for one in await said(functions, "f", 2)] == ["a", "c"]
    await deploy(functions, "f", SAY)
    await functions.feeds.keep()
    assert functions.feeds.followed == {}


@pytest.mark.parametrize(
    ("trigger", "why"),
    [
        ({"collection": "posts", "where": {"a": 1}}, "cannot test a deleted document"),
        ({"collection": "posts", "ops": ["create"], "where": {"a": {"$nope": 1}}}, "nope"),
    ],
)
async def test_a_version_with_an_invalid_trigger_is_not_deployed(
    functions: FunctionsService, bundoc: Bundoc, trigger: dict[str, Any], why: str
) -> None:
    await write(bundoc, "a", n=1)

    with pytest.raises(InvalidInput, match=why) as refused:
        await deploy(functions, "f", SAY, on=[trigger])

    assert refused.value.extra["errors"][0]["path"].startswith("/config/on/0/")


async def test_a_rollback_checks_the_filters_of_the_version_again(
    functions: FunctionsService, bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter that an earlier version of BunBase accepted, or that needs an index, may be refused today."""
    await write(bundoc, "a", n=1)
    first = await deploy(functions, "f", SAY, on=[{"collection": "posts", "ops": ["create"], "where": {"a": 1}}])
    await deploy(functions, "f", SAY)

    async def refused(_bundoc: Bundoc, _caller: Caller, _trigger: DataTrigger) -> None:
        raise InvalidQuery("There is no operator $old.")

    monkeypatch.setattr(activation, "try_out", refused)
    with pytest.raises(InvalidInput, match=r"Version 1 cannot become active.*There is no operator \$old") as caught:
        await functions.rollback(MEMBER, "f", first.version)

    assert caught.value.extra["errors"][0]["path"] == "/version"
    assert (await functions.function(MEMBER, "f")).version == 2


async def test_a_data_trigger_is_not_deployed_while_bundoc_is_unreachable(without_documents: Rooms, here: Site) -> None:
    async with opened(MODULE, without_documents, here) as functions:
        with pytest.raises(Unreachable):
            await deploy(functions, "f", SAY, on=POSTS)
        await deploy(functions, "f", SAY)


@pytest.fixture
def without_documents() -> Rooms:
    return neighbours()


async def test_a_trigger_filter_works_in_a_large_collection(functions: FunctionsService, bundoc: Bundoc) -> None:
    for start in range(0, 12_000, 500):
        writes = [
            {"op": "create", "collection": "posts", "id": f"d{n}", "data": {"n": n}} for n in range(start, start + 500)
        ]
        await bundoc.commit(SERVER, msgspec.json.encode({"writes": writes}))
    where = {"collection": "posts", "ops": ["update"], "where": {"n": {"$lt": 0}}}
    await deploy(functions, "f", SAY, on=[where])

    await write(bundoc, "d7", n=-1)
    await write(bundoc, "d11999", n=-2)

    assert {one["body"]["id"] for one in await said(functions, "f", 2)} == {"d7", "d11999"}
