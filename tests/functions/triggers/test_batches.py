"""Functions with `max_batch`: one call handles several changes, and a failing change stops no other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.functions.problems import FunctionOverloaded
from bunbase.contracts.functions.triggers import RunOutcome
from bunbase.functions.service import FunctionsService
from bunbase.functions.store.jobs import ChangeJob
from bunbase.functions.triggers import batches
from bunbase.functions.workers.call import Call
from bunbase.functions.workers.deployment import Deployment, Request
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.modules import Rooms
from tests.functions.calls import MEMBER, PROJECT, SERVER, deploy, until
from tests.functions.triggers.runs import SAY, dead_letters, enqueue, jobs_of, runs_of, said

POSTS: list[dict[str, Any]] = [{"collection": "posts"}]
NAMES = """async (req) => {
    const { events } = await req.json();
    if (events.some(({ document }) => document?.bad)) throw new Error("a bad event");
    console.log(JSON.stringify(events.map(({ id, rev }) => id + rev)));
}"""


@pytest.fixture
def bundoc(rooms: Rooms) -> Bundoc:
    return rooms[Bundoc]


async def write(bundoc: Bundoc, *writes: tuple[str, dict[str, Any]]) -> None:
    """Put documents in one commit, so that all changes are due at the same moment."""
    sent = [{"op": "put", "collection": "posts", "id": id, "data": data} for id, data in writes]
    await bundoc.commit(SERVER, msgspec.json.encode({"writes": sent}))


async def all_said(functions: FunctionsService, count: int) -> list[list[str]]:
    """Wait until the calls have printed `count` changes, and return what each call has printed."""
    calls: list[list[str]] = []
    while sum(map(len, calls)) < count:
        calls = await said(functions, "f", len(calls) + 1)
    await until(lambda: not functions.runner.tasks)
    return await said(functions, "f", len(calls))


def in_order(calls: Sequence[Sequence[str]]) -> bool:
    """True if the changes of each document, such as `a1` and `a2`, came in the order of their revisions."""
    seen = list(itertools.chain.from_iterable(calls))
    return all(revs == sorted(revs) for revs in ([one for one in seen if one[0] == id] for id in {x[0] for x in seen}))


async def test_one_call_gets_the_waiting_changes_in_order(functions: FunctionsService, bundoc: Bundoc) -> None:
    await deploy(functions, "f", SAY, on=POSTS, max_batch=10)

    await write(bundoc, ("a", {"n": 1}), ("b", {"n": 1}), ("a", {"n": 2}), ("c", {"n": 1}))

    [line] = await said(functions, "f", 1)
    events = line["body"]["events"]
    assert [(one["id"], one["rev"], one["document"]["n"]) for one in events] == [
        ("a", 1, 2), ("b", 1, 1), ("a", 2, 2), ("c", 1, 1),
    ]  # fmt: skip
    assert (events[0]["op"], events[0]["collection"], line["trigger"]["kind"]) == ("create", "posts", "change")
    assert (len({one["job"] for one in events}), line["trigger"]["job"]) == (4, events[0]["job"])
    [run] = await runs_of(functions, "f", 1)
    assert (run.outcome, run.events, run.job) == (RunOutcome.OK, 4, events[0]["job"])
    await until(lambda: not functions.runner.tasks)
    assert await jobs_of(functions) == []


async def test_a_single_change_comes_as_a_batch_too_and_a_job_keeps_its_payload(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", SAY, on=POSTS, max_batch=1)

    await write(bundoc, ("a", {"n": 1}), ("b", {"n": 1}))
    first, second = [line["body"]["events"] for line in await said(functions, "f", 2)]
    await enqueue(functions, "f", {"n": 1})

    assert sorted(one["id"] for one in (*first, *second)) == ["a", "b"]
    assert (await said(functions, "f", 3))[-1]["body"] == {"n": 1}


async def test_a_batch_has_at_most_max_batch_changes(functions: FunctionsService, bundoc: Bundoc) -> None:
    await deploy(functions, "f", NAMES, on=POSTS, max_batch=3)

    await write(bundoc, *((id, {}) for id in "abaacdaeaf"))

    calls = await all_said(functions, 10)
    runs = await runs_of(functions, "f", len(calls))
    assert max(run.events for run in runs) == 3
    assert (sum(map(len, calls)), in_order(calls)) == (10, True)


async def test_a_batch_is_bounded_in_bytes_and_a_large_document_comes_alone(
    functions: FunctionsService, bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MAX_BODY_BYTES", 3000)
    await deploy(functions, "f", NAMES, on=POSTS, max_batch=100)

    await write(bundoc, *((id, {"text": "x" * (5000 if id == "b" else 1000)}) for id in "abcdefa"))

    calls = await all_said(functions, 7)
    assert (sum(map(len, calls)), in_order(calls)) == (7, True)
    assert ["b1"] in calls
    assert max(map(len, calls)) == 2
    assert {run.attempt for run in await runs_of(functions, "f", len(calls))} == {1}


async def test_a_failing_change_becomes_a_dead_letter_alone_and_all_others_succeed(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", NAMES, on=POSTS, max_batch=100)

    await write(bundoc, *((id, {"bad": id == "d"}) for id in "abacdefgdah"))

    dead = await dead_letters(functions, 2)  # Both changes of `d` show its present content.
    await until(lambda: not functions.runner.tasks)
    assert [(job.attempt, job.error) for job in dead] == [(5, "function_error")] * 2
    payloads = [(await functions.job(MEMBER, job.id)).payload for job in dead]
    assert [(one["id"], one["rev"]) for one in payloads] == [("d", 1), ("d", 2)]
    calls = await all_said(functions, 9)
    assert sorted(itertools.chain.from_iterable(calls)) == ["a1", "a2", "a3", "b1", "c1", "e1", "f1", "g1", "h1"]
    assert in_order(calls)
    runs = await runs_of(functions, "f", 10)
    assert [(run.events, run.attempt) for run in runs[:3]] == [(11, 1), (11, 2), (5, 2)]


async def test_a_batch_that_fails_once_is_retried_as_it_was(functions: FunctionsService, bundoc: Bundoc) -> None:
    once = NAMES.replace("async (req) => {", "async (req, ctx) => { if (ctx.trigger.attempt === 1) throw 1;")
    await deploy(functions, "f", once, on=POSTS, max_batch=100)

    await write(bundoc, *((id, {}) for id in "abac"))

    assert await said(functions, "f", 1) == [["a1", "b1", "a2", "c1"]]
    runs = await runs_of(functions, "f", 2)
    assert [(run.events, run.outcome) for run in runs] == [(4, RunOutcome.ERROR), (4, RunOutcome.OK)]
    await until(lambda: not functions.runner.tasks)
    assert await jobs_of(functions) == []


async def test_a_replayed_dead_letter_runs_alone(functions: FunctionsService, bundoc: Bundoc) -> None:
    await deploy(functions, "f", NAMES, on=POSTS, max_batch=100)
    await write(bundoc, *((id, {"bad": id == "b"}) for id in "abc"))
    [dead] = await dead_letters(functions, 1)

    await deploy(functions, "f", NAMES.replace("bad", "worse"), on=POSTS, max_batch=100)
    await functions.replay_job(MEMBER, dead.id)

    assert (await all_said(functions, 3))[-1] == ["b1"]


async def test_a_batch_that_cannot_begin_is_postponed_without_an_attempt(
    functions: FunctionsService, bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bunbase.functions.triggers.records.POSTPONE", timedelta(milliseconds=10))
    await deploy(functions, "f", NAMES, on=POSTS, max_batch=100)
    real = functions.runner.attempts.start
    refused: list[Request] = []

    async def full_at_first(deployment: Deployment, what: Request) -> Call:
        if not refused:
            refused.append(what)
            raise FunctionOverloaded("All workers are busy.")
        return await real(deployment, what)

    monkeypatch.setattr(functions.runner.attempts, "start", full_at_first)
    await write(bundoc, *((id, {}) for id in "abac"))

    assert await said(functions, "f", 1) == [["a1", "b1", "a2", "c1"]]
    [run] = await runs_of(functions, "f", 1)
    assert (run.attempt, run.events, len(refused)) == (1, 4, 1)


async def test_changes_with_different_causes_are_not_in_one_batch(functions: FunctionsService) -> None:
    """A write of a run counts the chain of runs that led to it.

    In a batch, it must not count the chains of other changes.
    """
    await deploy(functions, "f", NAMES, on=POSTS, max_batch=100)
    depths = {"a1": 0, "b1": 3, "a2": 3, "c1": 0, "a3": 0}
    changes = [
        ChangeJob(f"job_{name}", f"posts/{name[0]}", _payload(name[0], int(name[1])), depth)
        for name, depth in depths.items()
    ]

    await functions.stores.jobs.add_changes(PROJECT, "f", changes, functions.runner.clock.now(), 5)
    functions.runner.due.set()

    calls = await all_said(functions, 5)
    assert ["a1", "c1"] in calls  # `a2` may be alone or in a batch with `b1`, because it is due when `a1` has ended.
    assert all(len({depths[name] for name in call}) == 1 for call in calls)
    assert sorted(itertools.chain.from_iterable(calls)) == sorted(depths)
    assert in_order(calls)


def _payload(id: str, rev: int) -> bytes:
    change = {"op": "update", "collection": "posts", "id": id, "rev": rev, "at": "2026-05-04T12:00:00.000Z"}
    return msgspec.json.encode(change)


async def test_all_changes_of_a_batch_come_again_in_order_after_their_server_died(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    hangs_at_first = NAMES.replace(
        "async (req) => {",
        "async (req) => { if (!globalThis.hung) { globalThis.hung = 1; await new Promise(() => {}) }",
    )
    await deploy(functions, "f", hangs_at_first, on=POSTS, max_batch=100, timeout_ms=300_000)
    await write(bundoc, *((id, {}) for id in "abacab"))
    await until(lambda: bool(functions.runner.joined) and any(worker.calls for worker in functions.starter.alive))
    runner, db = functions.runner, functions.stores.jobs.db

    await db.execute("UPDATE jobs SET runner = 'run_dead' WHERE state = 'running'")
    for task in runner.tasks.values():
        task.cancel()
    await until(lambda: not runner.tasks)
    await db.execute("UPDATE jobs SET look_at = now() - interval '1 second' WHERE state = 'running'")

    calls = await all_said(functions, 6)
    runs = await runs_of(functions, "f", 3)
    assert [run.outcome for run in runs].count(RunOutcome.LOST) == 3  # There is one for each document.
    assert (sorted(itertools.chain.from_iterable(calls)), in_order(calls)) == (
        ["a1", "a2", "a3", "b1", "b2", "c1"], True,
    )  # fmt: skip
    assert await jobs_of(functions) == []


async def test_max_batch_needs_changes(functions: FunctionsService) -> None:
    with pytest.raises(InvalidInput, match="name their collections in `on`") as refused:
        await deploy(functions, "f", SAY, max_batch=10)

    assert refused.value.extra["errors"][0]["path"] == "/config/max_batch"
