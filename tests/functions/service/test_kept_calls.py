"""A call with an idempotency key runs the function once, and a new job with a key is added once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.functions.invocations import Chunk, Head, Invocation
from bunbase.contracts.functions.problems import FunctionError, FunctionNotFound, FunctionOverloaded
from bunbase.contracts.functions.triggers import Job, JobStatus, NewJob, TriggerKind
from bunbase.contracts.idempotency import IdempotencyBusy, IdempotencyMismatch, IdempotencyTooLarge
from bunbase.contracts.scopes import InsufficientScope
from bunbase.functions.service import FunctionsService
from bunbase.functions.service import kept_calls as module
from bunbase.functions.service.kept_calls import KeptCalls, Parts
from bunbase.functions.store import kept_calls as rows
from bunbase.functions.store.kept_calls import KeptCallStore
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import Database, open_database
from bunbase.pkg.errors import InvalidInput, Problem, TooLarge
from tests.fakes import FakeKms
from tests.functions.calls import PROJECT, SERVER, Answer, call, deploy, request
from tests.pkg.waiting import eventually

KEY = "3f1c"
POST = Invocation("POST", "/pay", (("idempotency-key", KEY),), b'{"n":1}')
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
JOB = Job("job_1", "f", TriggerKind.JOB, JobStatus.WAITING, NOON, NOON, 0, 1)
HEAD = Head(201, (("content-type", "text/plain"), ("x-own", "1")), 7, "inv_1", 1.5, True)


class FakeFunction:
    """A function that counts its runs. `answer`: the parts of the answer, or a Problem. A run waits for `go_on`."""

    def __init__(self, *answer: Head | Chunk | Problem) -> None:
        self.answer = answer
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.runs = 0

    async def run(self) -> Parts:
        self.runs += 1
        for part in self.answer:
            if isinstance(part, Problem):
                raise part
            yield part
            await self.go_on.wait()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, "functions", "bunbase.functions.migrations") as db:
        yield db


@pytest.fixture
async def kept(db: Database, clock: ManualClock) -> AsyncIterator[KeptCalls]:
    kept = KeptCalls(KeptCallStore(db), FakeKms(), clock, 5.0)
    yield kept
    await kept.close()


async def ask(
    kept: KeptCalls,
    begin: Callable[[], Parts],
    what: Invocation = POST,
    caller: Caller = SERVER,
    name: str = "f",
    key: str = KEY,
) -> Answer:
    async with aclosing(kept.invoke(caller, name, what, key, 10_000, begin)) as parts:
        head = await anext(parts)
        assert isinstance(head, Head)
        return Answer(
            head, (head.body or b"") + b"".join([part.data async for part in parts if isinstance(part, Chunk)])
        )


async def test_a_repeated_call_gets_the_first_answer_with_its_headers_and_bytes(kept: KeptCalls, db: Database) -> None:
    function = FakeFunction(HEAD, Chunk(b"\x00\xff"), Chunk(b"secret"))

    first, second = [await ask(kept, function.run) for _ in range(2)]

    assert function.runs == 1
    assert first.body == second.body == b"\x00\xffsecret"
    assert (second.head.status, second.head.version, second.head.invocation) == (201, 7, "inv_1")
    assert second.head.headers == (*HEAD.headers, ("idempotency-replayed", "true"))
    assert first.head.headers == HEAD.headers
    stored: str = await db.value("SELECT answer FROM kept_calls")
    assert "secret" not in stored


async def test_a_key_belongs_to_one_request_of_one_caller(kept: KeptCalls) -> None:
    function = FakeFunction(HEAD)
    await ask(kept, function.run)

    for change in ({"path": "/pay?x=1"}, {"body": b"{}"}, {"method": "PUT"}):
        with pytest.raises(IdempotencyMismatch):
            await ask(kept, function.run, msgspec.structs.replace(POST, **change))
    with pytest.raises(IdempotencyMismatch):
        await ask(kept, function.run, name="g")
    assert function.runs == 1

    visitor, random = Caller(CallerKind.ANONYMOUS, project=PROJECT), "a-random-key-of-16"
    await ask(kept, function.run, caller=visitor, key=random)
    await ask(kept, function.run, caller=Caller(CallerKind.ANONYMOUS, project="prj_two"), key=random)
    assert function.runs == 3


@pytest.mark.parametrize("kind", [CallerKind.ANONYMOUS, CallerKind.PUBLISHABLE])
async def test_a_visitor_needs_a_key_that_no_other_visitor_has_by_chance(kept: KeptCalls, kind: CallerKind) -> None:
    function = FakeFunction(HEAD)

    with pytest.raises(InvalidInput):
        await ask(kept, function.run, caller=Caller(kind, project=PROJECT), key="1")
    caller = Caller(kind, project=PROJECT)
    with pytest.raises(InvalidInput):
        await kept.enqueue(caller, "1", b"{}", JOB, lambda: pytest.fail("it was enqueued"))

    assert function.runs == 0


async def test_an_answer_on_the_projects_own_host_is_not_replayed_on_the_host_that_projects_share(
    shared_functions: FunctionsService,
) -> None:
    page = (
        "new Response('<script>1</script>', { headers: { 'Set-Cookie': 'a=1; Path=/', 'Content-Type': 'text/html' } })"
    )
    await deploy(shared_functions, "page", f"() => {page}")
    own = msgspec.structs.replace(POST, own_host=True)

    on_own, on_shared, again = [await call(shared_functions, "page", one) for one in (own, POST, POST)]

    assert "content-security-policy" not in dict(on_own.head.headers)
    for answer in (on_shared, again):
        headers = dict(answer.head.headers)
        assert headers["content-security-policy"].startswith("sandbox")
        assert "Path=/v1/functions/page" in headers["set-cookie"]
    assert dict(again.head.headers)["idempotency-replayed"] == "true"


async def test_a_key_that_may_not_enqueue_any_more_gets_no_job_of_an_earlier_attempt(
    shared_functions: FunctionsService,
) -> None:
    await deploy(shared_functions, "later", "() => 1")
    new = NewJob("later", {"secret": 1}, delay_seconds=3600)
    await shared_functions.enqueue_once(SERVER, new, "scoped")
    limited = msgspec.structs.replace(SERVER, scopes=("data:read",))

    with pytest.raises(InsufficientScope):
        await shared_functions.enqueue_once(limited, new, "scoped")


async def test_a_second_request_is_refused_while_the_first_one_runs_and_answered_after_it(kept: KeptCalls) -> None:
    function = FakeFunction(HEAD, Chunk(b"done"))
    function.go_on.clear()
    first = asyncio.create_task(ask(kept, function.run))
    await eventually(lambda: function.runs == 1)

    with pytest.raises(IdempotencyBusy) as busy:
        await ask(kept, function.run)
    function.go_on.set()

    assert busy.value.extra["retry_after_seconds"] > 0
    assert (await first).body == (await ask(kept, function.run)).body == b"done"
    assert function.runs == 1


async def test_the_run_goes_on_without_its_client(kept: KeptCalls) -> None:
    function = FakeFunction(HEAD, *[Chunk(b"x")] * 20)
    parts = kept.invoke(SERVER, "f", POST, KEY, 10_000, function.run)
    await anext(parts)

    await parts.aclose()  # The client has left.
    await eventually(lambda: not kept.runs)

    assert (await ask(kept, function.run)).body == b"x" * 20
    assert function.runs == 1


async def test_an_error_of_the_run_is_kept_and_a_call_that_never_began_is_not(kept: KeptCalls) -> None:
    failing = FakeFunction(FunctionError("Its log has the details.", invocation="inv_9", version=2))
    for replayed in (False, True):
        with pytest.raises(FunctionError) as error:
            await ask(kept, failing.run)
        assert (error.value.extra["invocation"], error.value.extra.get("replayed", False)) == ("inv_9", replayed)
    assert failing.runs == 1

    other = msgspec.structs.replace(SERVER, key="key_2")
    refused = FakeFunction(FunctionOverloaded("Try again."))
    for _ in range(2):
        with pytest.raises(FunctionOverloaded):
            await ask(kept, refused.run, caller=other)
    assert refused.runs == 2


@pytest.mark.parametrize(
    "rest",
    [[Chunk(b"x" * module.MAX_ANSWER_BYTES)], [Chunk(b"x"), FunctionError("broken off")]],
    ids=["large", "broken"],
)
async def test_an_answer_that_cannot_be_kept_is_not_made_twice(kept: KeptCalls, rest: list[Any]) -> None:
    function = FakeFunction(HEAD, *rest)
    try:
        await ask(kept, function.run)
    except FunctionError:
        assert len(rest) == 2

    with pytest.raises(IdempotencyTooLarge):
        await ask(kept, function.run)

    assert function.runs == 1


async def test_after_the_death_of_a_server_the_next_attempt_waits_for_the_lease_and_runs_again(
    kept: KeptCalls, clock: ManualClock
) -> None:
    function = FakeFunction(HEAD)
    function.go_on.clear()
    dead = asyncio.create_task(ask(kept, function.run))
    await eventually(lambda: function.runs == 1)
    await kept.close()  # The server is killed, so nobody stores an answer.
    dead.cancel()
    function.go_on.set()

    with pytest.raises(IdempotencyBusy):
        await ask(kept, function.run)
    clock.advance(80)
    with pytest.raises(IdempotencyMismatch):
        await ask(kept, function.run, msgspec.structs.replace(POST, body=b"{}"))

    assert (await ask(kept, function.run)).head.status == 201
    assert function.runs == 2


async def test_old_keys_and_those_beyond_the_limits_are_deleted(
    kept: KeptCalls, clock: ManualClock, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = FakeFunction(HEAD, Chunk(b"x" * 8000))
    monkeypatch.setattr(rows, "MOST_LARGE_ROWS", 3)
    for number in range(6):
        clock.advance(1)
        await ask(kept, function.run, caller=msgspec.structs.replace(SERVER, key=f"key_{number}"))
    await kept.store.trim(PROJECT)
    assert await db.value("SELECT count(*) FROM kept_calls") == 3
    assert function.runs == 6
    await ask(kept, function.run, caller=msgspec.structs.replace(SERVER, key="key_5"))
    assert function.runs == 6

    clock.advance(24 * 3600 + 1)
    await ask(kept, function.run, caller=msgspec.structs.replace(SERVER, key="key_5"))
    assert function.runs == 7
    await kept.store.delete_old(clock.now())
    assert await db.value("SELECT count(*) FROM kept_calls") == 1


async def test_a_streamed_body_is_refused(kept: KeptCalls) -> None:
    function = FakeFunction(HEAD)

    with pytest.raises(TooLarge):
        await ask(kept, function.run, msgspec.structs.replace(POST, more=True))

    assert function.runs == 0


async def test_the_real_service_runs_a_function_and_adds_a_job_once(shared_functions: FunctionsService) -> None:
    functions = shared_functions
    await deploy(functions, "f", "(req) => ({ id: crypto.randomUUID(), key: req.headers.get('idempotency-key') })")

    first, second = [await call(functions, "f", POST) for _ in range(2)]
    reads = [await call(functions, "f", request(idempotency_key=KEY)) for _ in range(2)]
    new = NewJob("f", {"n": 1}, delay_seconds=3600)
    added = await asyncio.gather(*(functions.enqueue_once(SERVER, new, "job") for _ in range(3)))
    plain = [await functions.enqueue_once(SERVER, new, "") for _ in range(2)]

    assert first.json == second.json
    assert first.json["key"] == KEY
    assert reads[0].json != reads[1].json
    assert len({one.job.id for one in added}) == 1
    assert sorted(one.replayed for one in added) == [False, True, True]
    assert len({one.job.id for one in plain} | {added[0].job.id}) == 3
    with pytest.raises(InvalidInput):
        await call(functions, "f", request(method="POST", idempotency_key="two words"))
    with pytest.raises(IdempotencyMismatch):
        await functions.enqueue_once(SERVER, NewJob("f"), "job")
    for _ in range(2):
        with pytest.raises(FunctionNotFound):
            await functions.enqueue_once(SERVER, NewJob("none"), "other")
    assert not (await functions.enqueue_once(SERVER, new, "other")).replayed


async def test_the_answer_of_a_key_may_be_a_job_that_existed_before(shared_functions: FunctionsService) -> None:
    functions = shared_functions
    await deploy(functions, "f", "() => 1")
    new = NewJob("f", {"n": 1}, delay_seconds=3600, key="nightly")
    existing = await functions.enqueue(SERVER, new)

    added = [await functions.enqueue_once(SERVER, new, "again") for _ in range(2)]

    assert [one.job.id for one in added] == [existing.id, existing.id]
    assert [one.replayed for one in added] == [False, True]


async def test_a_key_whose_jobs_come_and_go_is_free_for_the_next_attempt(kept: KeptCalls) -> None:
    """BunKMS seals the expected job before the transaction; each attempt then finds another job."""
    numbers = iter(range(100))

    async def add() -> Job:
        return msgspec.structs.replace(JOB, id=f"job_{next(numbers)}_other")

    with pytest.raises(IdempotencyBusy):
        await kept.enqueue(SERVER, KEY, b"{}", JOB, add)
    job, replayed = await kept.enqueue(SERVER, KEY, b"{}", JOB, _same)

    assert (job, replayed) == (JOB, False)
    assert await kept.enqueue(SERVER, KEY, b"{}", JOB, _same) == (JOB, True)


async def _same() -> Job:
    return JOB
