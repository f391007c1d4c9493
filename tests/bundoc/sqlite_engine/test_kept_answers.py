"""A write with an idempotency key takes effect once, even if its answer is lost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.service import BundocService
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine import change_log, kept_answers, writer
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine, open_sqlite_engine
from bunbase.bundoc.writes import CommitStep, Create
from bunbase.contracts.bundoc.collections import CollectionSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Document, Precondition
from bunbase.contracts.bundoc.problems import DocumentNotFound, NotYet, StaleRevision
from bunbase.contracts.caller import Caller, CallerKind, EndUser
from bunbase.contracts.idempotency import IdempotencyMismatch, IdempotencyTooLarge
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.idempotency import Attempt
from tests.bundoc.engines import Seconds, sqlite_engine
from tests.fakes import FakeKms
from tests.killing_itself import Fuse, killed_before
from tests.rooms import member_caller, secret_caller

P, C = "prj_a", "posts"
SERVER = secret_caller(P)
KEY = "visitors need sixteen"
INCREMENT = b'{"$inc":{"n":1}}'
DAY = 24 * 3600.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def engine(tmp_path: Path, kms: FakeKms, clock: ManualClock) -> AsyncIterator[SqliteEngine]:
    async with open_sqlite_engine(tmp_path / "bundoc", kms, clock, BundocSettings(), Seconds()) as engine:
        yield engine


def user(uid: str, act: str = "") -> Caller:
    return Caller(CallerKind.PUBLISHABLE, project=P, key="key_1", user=EndUser(uid, None, "user", {}, "ses", act=act))


async def increment(service: BundocService, key: str, caller: Caller = SERVER) -> Document:
    return await service.patch(caller, C, "d1", INCREMENT, NO_PRECONDITION, key)


async def stored(service: BundocService) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((await service.get(SERVER, C, "d1")).body)
    return found


def burn_before(fuse: Fuse, owner: Any, name: str) -> None:
    """Count each call as a step. The process ends after its act, so nothing must undo the patch."""
    original = getattr(owner, name)

    def counted(*args: Any) -> Any:
        fuse.step()
        return original(*args)

    setattr(owner, name, counted)


def kept_rows(engine: SqliteEngine) -> int:
    file = engine.files.ready(P)
    assert file is not None
    return int(file.reader.execute("SELECT count(*) FROM kept_answers").get)


async def test_of_twenty_equal_requests_at_once_one_writes_and_all_get_its_answer(service: BundocService) -> None:
    await service.put(SERVER, C, "d1", b'{"n":0}', NO_PRECONDITION)

    answers = await asyncio.gather(*(increment(service, "key") for _ in range(20)))

    assert (await stored(service))["n"] == 1
    assert len({answer.body for answer in answers}) == 1
    assert sorted(answer.written.replayed for answer in answers if answer.written) == [False] + [True] * 19
    assert len({answer.written.seq for answer in answers if answer.written}) == 1


async def test_each_verb_answers_a_repeated_key_as_it_did_the_first_time(service: BundocService) -> None:
    """The documents change between the two attempts, but both answers are the same."""

    async def all_verbs() -> list[Any]:
        created = await service.create(SERVER, C, b'{"a":1}', "k1")
        put = await service.put(SERVER, C, "d1", b'{"n":0}', NO_PRECONDITION, "k2")
        patched = await increment(service, "k3")
        deleted = await service.delete(SERVER, C, "d1", Precondition(rev=2), "k4")
        writes = '{"op":"create","collection":"posts","data":{}},{"op":"put","collection":"posts","id":"d2","data":{}}'
        body = f'{{"writes":[{writes}]}}'.encode()
        return [created, put, patched, deleted, await service.commit(SERVER, body, "k5")]

    first = await all_verbs()
    await service.put(SERVER, C, "d1", b'{"other":true}', NO_PRECONDITION)
    await service.delete(SERVER, C, first[0].id, NO_PRECONDITION)
    second = await all_verbs()

    plain = msgspec.json.encode(first)
    assert msgspec.json.encode(second) == plain.replace(b'"replayed":false', b'"replayed":true')
    assert plain.count(b'"replayed":false') == 5
    assert (await stored(service))["other"] is True


async def test_a_key_with_another_request_is_refused_and_changes_nothing(service: BundocService) -> None:
    await service.put(SERVER, C, "d1", b'{"n":0}', NO_PRECONDITION, "key")
    when = Precondition(rev=1)

    for another in (
        service.put(SERVER, C, "d1", b'{"n":1}', NO_PRECONDITION, "key"),
        service.put(SERVER, C, "d1", b'{"n":0}', when, "key"),
        service.put(SERVER, C, "d2", b'{"n":0}', NO_PRECONDITION, "key"),
        service.put(SERVER, "other", "d1", b'{"n":0}', NO_PRECONDITION, "key"),
        service.patch(SERVER, C, "d1", b'{"n":0}', NO_PRECONDITION, "key"),
        service.create(SERVER, C, b'{"n":0}', "key"),
        service.delete(SERVER, C, "d1", NO_PRECONDITION, "key"),
        service.commit(SERVER, b'{"writes":[{"op":"delete","collection":"posts","id":"d1"}]}', "key"),
    ):
        with pytest.raises(IdempotencyMismatch):
            await another

    assert ((await stored(service))["n"], (await stored(service))["_rev"]) == (0, 1)


async def test_a_key_belongs_to_its_project_and_its_caller(service: BundocService) -> None:
    rules = Rules(get="true", update="true")
    await service.put_collection(SERVER, C, CollectionSpec(rules=rules))
    await service.put(SERVER, C, "d1", b'{"n":0}', NO_PRECONDITION)
    callers = [
        SERVER,
        msgspec.structs.replace(SERVER, key="key_2"),
        member_caller(P),
        member_caller(P, id="usr_eve"),
        Caller(CallerKind.PUBLISHABLE, project=P, key="key_1"),
        user("usr_1"),
        user("usr_2"),
        user("usr_1", act="usr_admin"),
    ]

    for caller in callers * 2:
        await increment(service, KEY, caller)
    new_session = msgspec.structs.replace(user("usr_1"), key="key_9")
    await increment(service, KEY, new_session)

    assert (await stored(service))["n"] == len(callers)
    await service.put(secret_caller("prj_b"), C, "d1", b'{"n":5}', NO_PRECONDITION)
    elsewhere = await increment(service, KEY, secret_caller("prj_b"))
    assert b'"n":6' in elsewhere.body


async def test_a_refused_write_leaves_no_trace_of_its_key(service: BundocService) -> None:
    for _ in range(2):
        with pytest.raises(DocumentNotFound):
            await increment(service, "key")
    await service.put(SERVER, C, "d1", b'{"n":0}', NO_PRECONDITION)
    with pytest.raises(StaleRevision):
        await service.patch(SERVER, C, "d1", b'{"n":7}', Precondition(rev=9), "key")

    assert (await increment(service, "key")).rev == 2
    assert (await increment(service, "key")).rev == 2


async def test_a_repeated_request_shows_only_what_the_rules_allow_now(service: BundocService) -> None:
    await service.put_collection(SERVER, C, CollectionSpec(rules=Rules(get="true", create="true")))
    first = await service.create(user("usr_1"), C, b'{"_id":"d1","secret":1}', "key")
    await service.put_collection(SERVER, C, CollectionSpec(rules=Rules(get="false", create="true")))

    again = await service.create(user("usr_1"), C, b'{"_id":"d1","secret":1}', "key")

    assert b"secret" in first.body
    assert msgspec.json.decode(again.body).keys() == {"_id", "_rev", "_created", "_updated"}


async def test_a_key_is_forgotten_after_24_hours(
    service: BundocService, engine: SqliteEngine, clock: ManualClock
) -> None:
    await service.put(SERVER, C, "d1", b'{"n":0}', NO_PRECONDITION)
    await increment(service, "key")
    clock.advance(DAY - 1)
    await increment(service, "key")
    assert (await stored(service))["n"] == 1

    clock.advance(2)
    await increment(service, "key")
    assert ((await stored(service))["n"], kept_rows(engine)) == (2, 1)

    clock.advance(DAY + 1)
    await engine.tend()
    assert kept_rows(engine) == 0


async def test_the_newest_keys_stay_when_a_project_has_too_many(
    service: BundocService, engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_answers, "MOST_ROWS", 10)
    for number in range(25):
        await service.put(SERVER, C, "d1", b"{}", NO_PRECONDITION, f"k{number}")
    assert kept_rows(engine) == 10

    monkeypatch.setattr(kept_answers, "MOST_BYTES", 3000)
    for number in range(5):
        await service.put(SERVER, C, "big", b'{"a":"%b"}' % (b"x" * 1000), NO_PRECONDITION, f"b{number}")
    assert kept_rows(engine) == 3

    again = await service.put(SERVER, C, "big", b'{"a":"%b"}' % (b"x" * 1000), NO_PRECONDITION, "b4")
    assert (again.rev, again.written and again.written.replayed) == (5, True)


async def test_the_answer_of_a_large_document_is_there_until_the_document_changes(
    service: BundocService, engine: SqliteEngine
) -> None:
    large = b'{"a":"%b"}' % (b"x" * kept_answers.MOST_BODY)
    first = await service.put(SERVER, C, "d1", large, NO_PRECONDITION, "key")
    file = engine.files.ready(P)
    assert file is not None
    assert file.reader.execute("SELECT max(upto) FROM kept_answers").get < 1000

    assert (await service.put(SERVER, C, "d1", large, NO_PRECONDITION, "key")).body == first.body
    await service.patch(SERVER, C, "d1", b'{"a":1}', NO_PRECONDITION)
    with pytest.raises(IdempotencyTooLarge) as gone:
        await service.put(SERVER, C, "d1", large, NO_PRECONDITION, "key")

    assert gone.value.extra["rev"] == 1
    assert (await stored(service))["a"] == 1


@pytest.mark.parametrize("step", [1, 2])
async def test_a_server_that_is_killed_around_the_commit_has_done_the_write_once_after_a_retry(
    tmp_path: Path, step: int
) -> None:
    """Step 1 is before the commit of the increment, step 2 between the commit and the answer."""
    secret = os.urandom(32)

    async def act(fuse: Fuse) -> None:
        async with sqlite_engine(tmp_path / "bundoc", FakeKms(secret)) as engine:
            service = BundocService(engine)
            await service.put(SERVER, C, "d1", b'{"n":0}', NO_PRECONDITION)
            burn_before(fuse, change_log, "append")
            burn_before(fuse, writer.Writer, "_answer")
            await increment(service, "key")

    assert await killed_before(step, act)

    async with sqlite_engine(tmp_path / "bundoc", FakeKms(secret)) as engine:
        service = BundocService(engine)
        again = await increment(service, "key")
        assert (await stored(service))["n"] == 1
        assert again.written is not None
        assert again.written.replayed is (step == 2)


async def test_a_read_waits_for_the_state_that_its_caller_asks_for(service: BundocService) -> None:
    first = await service.put(SERVER, C, "d1", b'{"n":0}', NO_PRECONDITION)
    assert first.written is not None
    epoch, _, seq = first.written.seq.partition(".")
    assert seq == "1"
    assert (await service.get(SERVER, C, "d1", (), first.written.seq)).rev == 1

    waiting = asyncio.gather(
        service.get(SERVER, C, "d1", (), f"{epoch}.3"), service.list(SERVER, C, 10, None, f"{epoch}.3")
    )
    await increment(service, "")
    await increment(service, "")

    read, listed = await waiting
    assert read.rev == 3
    assert b'"_rev":3' in listed.body


async def test_a_state_of_another_history_is_refused_at_once_and_a_late_one_after_a_while(
    service: BundocService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bunbase.bundoc.service.reads.AT_LEAST_SECONDS", 0.01)
    written = (await service.put(SERVER, C, "d1", b"{}", NO_PRECONDITION)).written
    assert written is not None

    for asked in ("0123456789ab.1", written.seq + "0"):
        with pytest.raises(NotYet) as refused:
            await service.get(SERVER, C, "d1", (), asked)
        assert refused.value.extra["seq"] == written.seq
    for wrong in ("1", "x.1", f"{written.seq}.1", written.seq + "0" * 20):
        with pytest.raises(InvalidInput):
            await service.get(SERVER, C, "d1", (), wrong)


async def test_a_commit_without_bodies_returns_none_the_first_time_and_again(engine: SqliteEngine) -> None:
    """Without bodies, the answer to a commit that changes 500 MB of documents contains only their revisions."""
    step = CommitStep(C, Create("d1", b'{"text":"long"}'))
    attempt = Attempt(b"act", b"request")

    plain = await engine.commit(P, (CommitStep(C, Create("d0", b'{"text":"long"}')),), with_bodies=False)
    done = [await engine.commit(P, (step,), 0, attempt, with_bodies=False) for _ in range(2)]

    assert [one.results[0] and one.results[0].body for one in (plain, *done)] == [b"{}"] * 3
    stored = await engine.get(P, C, "d1")
    assert stored is not None
    assert stored.body == b'{"text":"long"}'
