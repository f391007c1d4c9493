from __future__ import annotations

import asyncio
from contextvars import Context
from datetime import UTC, datetime, timedelta

import pytest

from bunbase.contracts.caller import Role
from bunbase.contracts.functions.logs import LogLevel
from bunbase.contracts.functions.problems import FunctionNotFound
from bunbase.contracts.functions.triggers import (
    JobNotDead,
    JobNotFound,
    JobStatus,
    NewJob,
    QueueFull,
    RunOutcome,
    TriggerKind,
)
from bunbase.functions.module import MODULE
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.store.jobs import StoredJob
from bunbase.functions.triggers import records
from bunbase.functions.workers.call import Call
from bunbase.functions.workers.deployment import Deployment, Request
from bunbase.pkg.errors import Forbidden, InvalidInput, TooLarge
from bunbase.pkg.modules import Rooms, Site
from tests.functions.calls import DEADLINE_SECONDS, MEMBER, PROJECT, SERVER, call, deploy, log_of, request, until
from tests.functions.triggers.runs import SAY, dead_letters, enqueue, jobs_of, runs_of, said
from tests.rooms import member_caller, opened, publishable_caller

WAITED_FOR = "SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid"
FAILING = "() => new Response('no', { status: 503 })"
MODULE_SETTINGS = FunctionsSettings(retry_seconds=0.01, max_jobs_per_project=3)


async def test_a_job_runs_its_function_with_its_payload(functions: FunctionsService) -> None:
    await deploy(functions, "mail", SAY)

    job = await enqueue(functions, "mail", {"to": "ada"})

    [line] = await said(functions, "mail", 1)
    assert line["body"] == {"to": "ada"}
    assert (line["trigger"]["kind"], line["trigger"]["job"], line["trigger"]["attempt"]) == ("job", job.id, 1)
    [run] = await runs_of(functions, "mail", 1)
    assert (run.outcome, run.kind, run.version, run.job) == (RunOutcome.OK, TriggerKind.JOB, 1, job.id)
    [printed] = await log_of(functions, "mail", run.invocation)
    assert printed.invocation == run.invocation
    await until_done(functions)


async def until_done(functions: FunctionsService) -> None:
    await until(lambda: not functions.runner.tasks)
    assert await jobs_of(functions) == []


async def test_a_function_enqueues_jobs(functions: FunctionsService) -> None:
    await deploy(functions, "mail", SAY)
    await deploy(
        functions,
        "shop",
        """async (req, ctx) => {
            const first = await ctx.enqueue("mail", { n: 1 }, { key: "once", delay_seconds: 60 });
            const again = await ctx.enqueue("mail", { n: 2 }, { key: "once" });
            const later = await ctx.enqueue("mail", undefined, { run_at: new Date(Date.now() + 90_000) });
            await ctx.enqueue("mail", [3]);
            const wrong = await ctx.enqueue("nobody").catch(error => error.code);
            return [first.id === again.id, later.state, wrong, ctx.trigger];
        }""",
    )

    answer = await call(functions, "shop")

    assert answer.json == [True, "waiting", "function_not_found", None]
    assert [line["body"] for line in await said(functions, "mail", 1)] == [[3]]
    assert [job.key for job in await jobs_of(functions)] == ["once", None]


async def test_a_job_loses_no_attempt_if_its_version_is_deleted_before_the_start(
    functions: FunctionsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deploy(functions, "mail", SAY)
    real, tries = functions.runner.attempts.start, 0

    async def gone_at_first(deployment: Deployment, what: Request) -> Call:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise FunctionNotFound("This version was deleted.")
        return await real(deployment, what)

    monkeypatch.setattr(functions.runner.attempts, "start", gone_at_first)
    monkeypatch.setattr(records, "POSTPONE", timedelta(0))

    await enqueue(functions, "mail", {"to": "ada"})

    [run] = await runs_of(functions, "mail", 1)
    assert (run.outcome, run.attempt) == (RunOutcome.OK, 1)
    await until_done(functions)


async def test_a_job_that_fails_is_tried_again_and_then_becomes_a_dead_letter(functions: FunctionsService) -> None:
    await deploy(functions, "f", FAILING)

    job = await enqueue(functions, "f", {"a": 1}, attempts=3)

    [dead] = await dead_letters(functions, 1)
    assert (dead.id, dead.attempt, dead.error) == (job.id, 3, "http_503")
    assert (await functions.job(MEMBER, job.id)).payload == {"a": 1}
    runs = await runs_of(functions, "f", 3)
    assert [(run.attempt, run.outcome, run.code) for run in runs] == [
        (1, "error", "http_503"),
        (2, "error", "http_503"),
        (3, "error", "http_503"),
    ]


@pytest.mark.parametrize(
    ("body", "outcome", "code"),
    [
        ("() => { throw new Error('no') }", RunOutcome.ERROR, "function_error"),
        ("() => new Promise(() => {})", RunOutcome.TIMEOUT, "function_timeout"),
        ("() => process.exit(1)", RunOutcome.CRASH, "function_crashed"),
        (
            "() => new Response(new ReadableStream({ start(c) { c.enqueue('x'); c.error(new Error('late')) } }))",
            RunOutcome.ERROR,
            "function_error",
        ),
    ],
)
async def test_each_kind_of_failure_has_its_own_outcome(
    functions: FunctionsService, body: str, outcome: RunOutcome, code: str
) -> None:
    await deploy(functions, "f", body, timeout_ms=300)

    await enqueue(functions, "f", attempts=1)

    [run] = await runs_of(functions, "f", 1)
    assert (run.outcome, run.code) == (outcome, code)


async def test_a_dead_letter_is_replayed_or_deleted(functions: FunctionsService) -> None:
    await deploy(functions, "f", FAILING)
    await enqueue(functions, "f", 1, attempts=1)
    await enqueue(functions, "f", 2, attempts=1)
    first, second = await dead_letters(functions, 2)
    await deploy(functions, "f", SAY)

    await functions.replay_job(MEMBER, first.id)
    await functions.delete_job(MEMBER, second.id)

    assert [line["body"] for line in await said(functions, "f", 1)] in ([1], [2])
    await until_done(functions)
    for gone in (first, second):
        with pytest.raises(JobNotFound):
            await functions.job(MEMBER, gone.id)


async def test_only_dead_letters_are_replayed(functions: FunctionsService) -> None:
    await deploy(functions, "f", FAILING)
    waiting = await enqueue(functions, "f", delay_seconds=60)

    with pytest.raises(JobNotDead, match="it is waiting"):
        await functions.replay_job(MEMBER, waiting.id)
    await functions.delete_job(MEMBER, waiting.id)
    with pytest.raises(JobNotFound):
        await functions.delete_job(MEMBER, waiting.id)


async def test_a_dead_letter_is_not_replayed_if_a_concurrent_job_takes_its_key(functions: FunctionsService) -> None:
    await deploy(functions, "f", FAILING)
    await enqueue(functions, "f", key="once", attempts=1)
    [dead] = await dead_letters(functions, 1)
    db = functions.stores.jobs.db

    async with db.transaction():
        await enqueue(functions, "f", key="once", delay_seconds=60)
        replaying = asyncio.create_task(functions.replay_job(MEMBER, dead.id), context=Context())
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await db.value(WAITED_FOR):
                await asyncio.sleep(0.01)

    with pytest.raises(JobNotDead, match="another job has its key"):
        await replaying


async def test_a_job_is_added_even_if_an_older_job_with_the_same_key_is_deleted_meanwhile(
    functions: FunctionsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deploy(functions, "f", SAY)
    before = await enqueue(functions, "f", key="once", delay_seconds=60)
    jobs = functions.stores.jobs
    by_key = jobs.by_key

    async def just_too_late(project: str, function: str, key: str) -> StoredJob | None:
        await functions.delete_job(MEMBER, before.id)
        return await by_key(project, function, key)

    monkeypatch.setattr(jobs, "by_key", just_too_late)
    added = await enqueue(functions, "f", key="once", delay_seconds=60)

    assert [job.id for job in await jobs_of(functions)] == [added.id] != [before.id]


async def test_an_endless_chain_of_jobs_is_ended(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "loop",
        """async (req, ctx) => {
            const next = await ctx.enqueue("loop", (await req.json()) + 1).catch(error => error.code);
            console.log(typeof next === "string" ? JSON.stringify(next) : "0");
        }""",
    )

    await enqueue(functions, "loop", 0)

    assert await said(functions, "loop", 9) == [0] * 8 + ["chain_too_long"]
    assert [line.level for line in await log_of(functions, "loop") if "in a row" in line.text] == [LogLevel.WARN]
    await until_done(functions)


async def test_a_job_may_enqueue_itself_for_later(functions: FunctionsService) -> None:
    await deploy(functions, "f", "async (req, ctx) => { await ctx.enqueue('f', null, { delay_seconds: 60 }) }")
    await enqueue(functions, "f")

    await runs_of(functions, "f", 1)

    [job] = await jobs_of(functions, JobStatus.WAITING)
    found = await functions.stores.jobs.job(PROJECT, job.id)
    assert found is not None
    assert job.due_at > datetime.now(UTC) + timedelta(seconds=30)


async def test_a_request_for_an_invalid_job_is_refused_with_its_code(functions: FunctionsService) -> None:
    await deploy(functions, "f", SAY)

    for options, problem in (
        ({"payload": "x" * (256 << 10)}, TooLarge),
        ({"delay_seconds": 1e9}, InvalidInput),
        ({"delay_seconds": 1, "run_at": datetime.now(UTC).isoformat()}, InvalidInput),
        ({"run_at": "2099-01-01T00:00:00Z"}, InvalidInput),
        ({"run_at": "2020-01-01T00:00:00"}, InvalidInput),  # the times of jobs are RFC 3339 too
        ({"run_at": "2020-01-01T00:00:00+0100"}, InvalidInput),
        ({"run_at": "2020-01-01 00:00:00Z"}, InvalidInput),
        ({"key": "a\0b"}, InvalidInput),
    ):
        with pytest.raises(problem):
            await enqueue(functions, "f", **options)
    for name in ("nobody", "No", "a\0"):
        with pytest.raises(FunctionNotFound):
            await enqueue(functions, name)
    assert await jobs_of(functions) == []


async def test_roles_decide_who_may_manage_jobs(functions: FunctionsService) -> None:
    await deploy(functions, "f", SAY)
    job = await enqueue(functions, "f", delay_seconds=60)
    viewer, stranger = member_caller(PROJECT, Role.VIEWER), member_caller("prj_other")
    new = NewJob("f")

    with pytest.raises(Forbidden):
        await functions.enqueue(publishable_caller(PROJECT), new)
    with pytest.raises(Forbidden):
        await functions.enqueue(viewer, new)
    for forbidden in (functions.job, functions.replay_job, functions.delete_job):
        with pytest.raises(Forbidden):
            await forbidden(viewer, job.id)
        with pytest.raises(Forbidden):
            await forbidden(SERVER, job.id)
        with pytest.raises(JobNotFound):
            await forbidden(stranger, job.id)
    assert (await functions.jobs(viewer, None, None, 20, None)).items != ()
    assert (await functions.jobs(stranger, None, None, 20, None)).items == ()


async def test_a_full_queue_refuses_jobs(rooms: Rooms, here: Site) -> None:
    async with opened(MODULE, rooms, here, settings=MODULE_SETTINGS) as functions:
        await deploy(functions, "f", SAY)
        for _ in range(3):
            await enqueue(functions, "f", delay_seconds=60)

        with pytest.raises(QueueFull) as full:
            await enqueue(functions, "f")

        assert full.value.headers()["retry-after"] == "5"


async def test_jobs_and_runs_are_listed_in_pages(functions: FunctionsService) -> None:
    await deploy(functions, "f", SAY)
    made = [(await enqueue(functions, "f", delay_seconds=60)).id for _ in range(5)]
    for _ in range(3):
        await enqueue(functions, "f")
    await runs_of(functions, "f", 3)
    await until(lambda: not functions.runner.tasks)

    first = await functions.jobs(MEMBER, JobStatus.WAITING, "f", 3, None)
    rest = await functions.jobs(MEMBER, JobStatus.WAITING, "f", 3, first.next)
    runs = await functions.runs(MEMBER, "f", TriggerKind.JOB, RunOutcome.OK, 2, None)
    last = await functions.runs(MEMBER, "f", TriggerKind.JOB, RunOutcome.OK, 2, runs.next)

    assert [job.id for job in (*first.items, *rest.items)] == made[::-1]
    assert (rest.next, len(runs.items), len(last.items), last.next) == (None, 2, 1, None)
    assert (await functions.runs(MEMBER, "f", TriggerKind.CRON, None, 2, None)).items == ()


async def test_jobs_and_runs_are_deleted_with_their_function(functions: FunctionsService) -> None:
    await deploy(functions, "f", SAY)
    await enqueue(functions, "f")
    await runs_of(functions, "f", 1)
    await enqueue(functions, "f", delay_seconds=60)

    await functions.delete_function(MEMBER, "f")

    assert await jobs_of(functions) == []
    with pytest.raises(FunctionNotFound):
        await functions.runs(MEMBER, "f", None, None, 20, None)


async def test_a_request_cannot_pose_as_a_trigger(functions: FunctionsService) -> None:
    await deploy(functions, "f", "(req, ctx) => [req.headers.get('x-bunbase-trigger'), ctx.trigger]")

    answer = await call(functions, "f", request(x_bunbase_trigger="cron", x_bunbase_job="job_1"))

    assert answer.json == [None, None]
