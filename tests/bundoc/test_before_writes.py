"""A function decides about each write to a collection that names it; a write that it refuses is never stored."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.before_writes import MAX_WAITING_BYTES
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.transfer.service import TransferService
from bunbase.contracts.bundoc.backups import ImportMode
from bunbase.contracts.bundoc.collections import (
    BeforeWrite,
    Collection,
    CollectionSpec,
    HookWarning,
    IndexSpec,
    Rules,
    WriteOp,
)
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.problems import (
    BeforeWriteBusy,
    BeforeWriteFailed,
    InvalidDocument,
    RuleDenied,
    UniqueViolation,
    WriteRefused,
)
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.functions.hooks import HookLoop, HookName, HookState
from bunbase.contracts.functions.problems import FunctionError, FunctionNotFound, FunctionOverloaded, FunctionTimeout
from bunbase.pkg.errors import Problem, TooLarge
from bunbase.pkg.ndjson import ImportLine
from tests.bundoc.deciding import ASK, EVE, OPEN, SERVER, DecidingFunctions, P, asking_service, commit_of, stored, write
from tests.rooms import member_caller


@pytest.fixture
def functions() -> DecidingFunctions:
    return DecidingFunctions()


@pytest.fixture
async def service(engine: SqliteEngine, functions: DecidingFunctions) -> BundocService:
    return await asking_service(engine, functions)


async def test_the_function_sees_the_write_and_its_caller(service: BundocService, functions: DecidingFunctions) -> None:
    await service.create(EVE, "posts", b'{"_id":"p1","n":1}')
    await service.patch(SERVER, "posts", "p1", b'{"$inc":{"n":1}}', NO_PRECONDITION)
    await service.delete(member_caller(P), "posts", "p1", NO_PRECONDITION)

    told = [(one["caller"]["kind"], one["writes"][0]) for one in functions.events]
    assert [(kind, one["op"], one["collection"], one["id"]) for kind, one in told] == [
        ("user", "create", "posts", "p1"),
        ("server", "update", "posts", "p1"),
        ("member", "delete", "posts", "p1"),
    ]
    assert [(one["before"] and one["before"]["n"], one["next"] and one["next"]["n"]) for _, one in told] == [
        (None, 1),
        (1, 2),
        (2, None),
    ]
    user = functions.events[0]["caller"]["user"]
    assert (user["uid"], user["role"], user["claims"], "session" in user) == ("eve", "user", {"plan": "pro"}, False)
    assert {(call.function, call.hook, call.deadline_seconds <= 2) for call in functions.calls} == {
        ("check", HookName.BEFORE_WRITE, True)
    }


WAYS: dict[str, Callable[[BundocService, Caller], Awaitable[Any]]] = {
    "create": lambda service, by: service.create(by, "posts", b'{"_id":"new"}'),
    "put": lambda service, by: service.put(by, "posts", "new", b"{}", NO_PRECONDITION),
    "put over": lambda service, by: service.put(by, "posts", "old", b"{}", NO_PRECONDITION),
    "patch": lambda service, by: service.patch(by, "posts", "old", b'{"n":2}', NO_PRECONDITION),
    "delete": lambda service, by: service.delete(by, "posts", "old", NO_PRECONDITION),
    "commit": lambda service, by: service.commit(by, commit_of(write("put", "x", "plain"), write("put", "new"))),
}


@pytest.mark.parametrize("by", [SERVER, EVE, member_caller(P)], ids=["server", "user", "member"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_refused_write_stores_nothing_and_its_caller_reads_the_text(
    service: BundocService, functions: DecidingFunctions, way: str, by: Caller
) -> None:
    await service.create(SERVER, "posts", b'{"_id":"old","n":1}')
    if by is EVE and way == "commit":
        await service.put_collection(SERVER, "plain", CollectionSpec(rules=OPEN))
    functions.decide = lambda _write: {"refuse": "Sold\u202e out.\n" + "x" * 300, "code": "sold_out"}

    with pytest.raises(WriteRefused) as refused:
        await WAYS[way](service, by)

    assert refused.value.detail == ("Sold out." + "x" * 300)[:200]
    assert refused.value.extra == {"reason": "sold_out"} | ({"write": 1} if way == "commit" else {})
    assert (await stored(service, "old"), await stored(service, "new")) == ({"n": 1}, None)
    assert await stored(service, "x", "plain") is None


async def test_a_patch_of_the_function_is_stored_and_numbers_keep_their_digits(
    service: BundocService, functions: DecidingFunctions
) -> None:
    functions.decide = lambda write: {"patch": {"total": len(write["next"]["lines"]), "draft": None}}

    made = await service.create(
        SERVER, "posts", b'{"_id":"p1","lines":[1,2],"draft":true,"big":12345678901234567890.50}'
    )

    assert b'"big":12345678901234567890.50' in made.body
    assert b'"total":2' in made.body
    assert b"draft" not in made.body
    assert made.body == (await service.get(SERVER, "posts", "p1")).body


async def test_a_commit_asks_once_about_all_of_its_writes_to_such_collections(
    service: BundocService, functions: DecidingFunctions
) -> None:
    await service.put_collection(SERVER, "others", CollectionSpec(before_write=ASK))
    functions.decide = lambda write: {"patch": {"seen": write["id"]}} if write["id"] != "b" else None
    sent = commit_of(write("put", "a"), write("put", "x", "plain"), write("put", "b", "others"), write("put", "c"))

    await service.commit(SERVER, sent)

    assert [[one["id"] for one in event["writes"]] for event in functions.events] == [["a", "b", "c"]]
    assert [await stored(service, id) for id in ("a", "c")] == [{"seen": "a"}, {"seen": "c"}]
    assert await stored(service, "b", "others") == {}


async def test_rules_schema_and_unique_indexes_refuse_before_the_function_is_asked(
    service: BundocService, functions: DecidingFunctions
) -> None:
    schema = {"properties": {"n": {"type": "integer", "default": 7}}}
    indexes = (IndexSpec(("slug",), unique=True),)
    rules = Rules(create="auth.uid == 'ada'", get="true")
    await service.put_collection(SERVER, "posts", CollectionSpec(schema=schema, indexes=indexes, rules=rules))
    await service.create(SERVER, "posts", b'{"slug":"a"}')
    assert functions.events.pop()["writes"][0]["next"]["n"] == 7
    functions.calls.clear()

    for refused, by, body in [
        (RuleDenied, EVE, b"{}"),
        (InvalidDocument, SERVER, b'{"n":"one"}'),
        (UniqueViolation, SERVER, b'{"slug":"a"}'),
    ]:
        with pytest.raises(refused):
            await service.create(by, "posts", body)

    assert functions.calls == []


@pytest.mark.parametrize("op", ["create", "update", "delete"])
async def test_the_function_is_asked_only_about_the_kinds_of_writes_that_it_names(
    service: BundocService, functions: DecidingFunctions, op: WriteOp
) -> None:
    await service.put_collection(SERVER, "posts", CollectionSpec(before_write=BeforeWrite("check", (op,))))

    await service.create(SERVER, "posts", b'{"_id":"p1"}')
    await service.patch(SERVER, "posts", "p1", b'{"n":1}', NO_PRECONDITION)
    await service.delete(SERVER, "posts", "p1", NO_PRECONDITION)
    await service.put_collection(SERVER, "posts", CollectionSpec(before_write=None))
    await service.create(SERVER, "posts", b'{"_id":"p1"}')

    assert [event["writes"][0]["op"] for event in functions.events] == [op]


PASSING = [FunctionOverloaded("Wait."), FunctionTimeout("Late.")]
BROKEN = [FunctionError("It threw."), FunctionNotFound("There is none.")]


@pytest.mark.parametrize("problem", [*PASSING, *BROKEN], ids=lambda one: one.code)
async def test_a_function_that_fails_refuses_and_nothing_is_stored(
    service: BundocService, functions: DecidingFunctions, problem: Problem
) -> None:
    functions.problem = problem

    with pytest.raises(BeforeWriteBusy if problem in PASSING else BeforeWriteFailed) as failed:
        await service.create(SERVER, "posts", b'{"_id":"p1"}')

    assert (failed.value.extra["function"], failed.value.extra["cause"]) == ("check", problem.code)
    assert await stored(service, "p1") is None


NO_DECISIONS: tuple[Any, ...] = (
    {"allow": True},
    {"refuse": 1},
    {"refuse": "no", "patch": {}},
    {"refuse": "no", "code": "Not A Code"},
    {"code": "alone"},
    {"patch": []},
    {"patch": {"_rev": 9, "_own": 1}},
    {"patch": {"_id": "other"}},
    {"patch": {"$inc": {"n": 1}}},
    {"patch": {"text": "x" * (1 << 20)}},
    {"patch": {"n": "the schema wants a number"}},
    "yes",
    True,
)


async def test_an_answer_that_is_no_decision_refuses(service: BundocService, functions: DecidingFunctions) -> None:
    await service.put_collection(SERVER, "posts", CollectionSpec(schema={"properties": {"n": {"type": "number"}}}))

    for number, answer in enumerate(NO_DECISIONS, 1):
        functions.decide = lambda _write, answer=answer: answer  # type: ignore[misc]  # the default binds it
        with pytest.raises(BeforeWriteFailed):
            await service.create(SERVER, "posts", b'{"_id":"p1"}')
        assert [run for run, _ in functions.refused] == [f"run_{one}" for one in range(1, number + 1)]

    assert await stored(service, "p1") is None


async def test_an_answer_about_another_number_of_writes_refuses(
    service: BundocService, functions: DecidingFunctions
) -> None:
    for answer in (b"", b"[]", b'{"answers":[]}', b'{"answers":[null,null]}', b'{"answers":[nul'):
        functions.answer = answer
        with pytest.raises(BeforeWriteFailed):
            await service.create(SERVER, "posts", b'{"_id":"p1"}')

    assert len(functions.refused) == 5
    assert await stored(service, "p1") is None


async def test_the_log_of_the_function_names_the_field_that_the_schema_refuses(
    service: BundocService, functions: DecidingFunctions
) -> None:
    await service.put_collection(SERVER, "posts", CollectionSpec(schema={"properties": {"n": {"type": "number"}}}))
    functions.decide = lambda _write: {"patch": {"n": "a text"}}

    with pytest.raises(BeforeWriteFailed) as failed:
        await service.create(SERVER, "posts", b'{"_id":"p1"}')

    assert failed.value.extra["cause"] == InvalidDocument.code
    [(run, reason)] = functions.refused
    assert run == "run_1"
    assert "/n: " in reason


async def test_a_repeated_write_is_answered_without_a_second_question(
    service: BundocService, functions: DecidingFunctions
) -> None:
    first = await service.create(SERVER, "posts", b'{"n":1}', "key-1")
    again = await service.create(SERVER, "posts", b'{"n":1}', "key-1")
    functions.decide = lambda _write: {"refuse": "No."}
    with pytest.raises(WriteRefused):
        await service.create(SERVER, "posts", b'{"n":2}', "key-2")
    functions.decide = lambda _write: None
    later = await service.create(SERVER, "posts", b'{"n":2}', "key-2")

    assert (again.id, again.body) == (first.id, first.body)
    assert again.written is not None
    assert again.written.replayed
    assert later.written is not None
    assert not later.written.replayed  # A refused write leaves no trace of its key.
    assert len(functions.calls) == 3


async def test_a_function_that_is_asked_cannot_cause_another_question(
    service: BundocService, functions: DecidingFunctions
) -> None:
    while_asked = msgspec.structs.replace(SERVER, hook=HookName.BEFORE_WRITE.value, depth=1)
    job = msgspec.structs.replace(SERVER, depth=3)

    with pytest.raises(HookLoop):
        await service.create(while_asked, "posts", b'{"_id":"p1"}')
    await service.create(while_asked, "plain", b"{}")
    await service.create(job, "posts", b'{"_id":"p2"}')

    assert await stored(service, "p1") is None
    assert [(caller.kind, caller.project, caller.depth) for caller in functions.callers] == [(CallerKind.SECRET, P, 3)]


async def test_the_answer_shows_only_what_the_writer_may_read(
    service: BundocService, functions: DecidingFunctions
) -> None:
    await service.put_collection(SERVER, "posts", CollectionSpec(rules=Rules(create="true", hidden={"cost": "true"})))
    functions.decide = lambda _write: {"patch": {"cost": 5, "n": 2}}

    made = await service.create(EVE, "posts", b'{"_id":"p1"}')

    assert b"cost" not in made.body
    assert await stored(service, "p1") == {"cost": 5, "n": 2}


async def test_an_import_asks_about_each_line_and_counts_those_that_are_refused(
    service: BundocService, functions: DecidingFunctions, engine: SqliteEngine
) -> None:
    functions.decide = lambda write: {"refuse": "Odd."} if write["next"]["n"] % 2 else None
    lines = tuple([ImportLine(n, b'{"_id":"p%d","n":%d}' % (n, n)) for n in range(1, 21)])

    done = await TransferService(engine, service).import_documents(SERVER, "posts", ImportMode.CREATE, lines)

    assert (done.imported, done.failed) == (10, 10)
    assert {error.code for error in done.errors} == {"write_refused"}
    assert [error.line for error in done.errors] == [*range(1, 21, 2)]
    assert {write["id"] for event in functions.events for write in event["writes"]} == {f"p{n}" for n in range(1, 21)}


async def test_an_import_asks_once_about_many_lines(
    service: BundocService, functions: DecidingFunctions, engine: SqliteEngine
) -> None:
    functions.decide = lambda write: {"refuse": "No."} if write["id"] == "p40" else {"patch": {"seen": True}}
    await write_one(service, "p50")
    lines = [ImportLine(n, b'{"_id":"p%d","n":%d}' % (n, n)) for n in range(1, 101)]
    lines[9] = ImportLine(10, b"no document")
    transfer = TransferService(engine, service)

    done = await transfer.import_documents(SERVER, "posts", ImportMode.CREATE, tuple(lines))
    calls = len(functions.calls)
    again = await transfer.import_documents(SERVER, "posts", ImportMode.SKIP, tuple(lines))

    assert (done.imported, done.failed) == (97, 3)
    assert [(error.line, error.code) for error in done.errors] == [
        (10, "malformed_request"), (40, "write_refused"), (50, "document_exists")
    ]  # fmt: skip
    assert (again.imported, again.skipped, again.failed) == (0, 98, 2)
    assert calls <= 12
    assert await stored(service, "p99") == {"n": 99, "seen": True}


async def write_one(service: BundocService, id: str) -> None:
    await service.put(SERVER, "posts", id, b"{}", NO_PRECONDITION)


async def test_an_import_through_a_function_that_is_too_slow_for_many_lines_goes_on_with_fewer(
    service: BundocService, functions: DecidingFunctions, engine: SqliteEngine
) -> None:
    async def slow() -> None:
        if len(functions.events[-1]["writes"]) > 3:
            raise FunctionTimeout("It had too much to do.")

    functions.meanwhile = slow
    lines = tuple([ImportLine(n, b'{"n":%d}' % n) for n in range(1, 33)])

    done = await TransferService(engine, service).import_documents(SERVER, "posts", ImportMode.CREATE, lines)

    assert (done.imported, done.failed) == (32, 0)


async def test_events_are_bounded_and_one_project_cannot_use_the_memory_of_all(
    service: BundocService, functions: DecidingFunctions
) -> None:
    large = b'{"text":"' + b"x" * 900_000 + b'"}'
    with pytest.raises(TooLarge):
        await service.commit(
            SERVER, b'{"writes":[%s]}' % b",".join([b'{"op":"create","collection":"posts","data":%s}' % large] * 5)
        )
    service.before_writes.waiting_bytes[P] = MAX_WAITING_BYTES
    with pytest.raises(BeforeWriteBusy):
        await service.create(SERVER, "posts", b"{}")
    service.before_writes.waiting_bytes.clear()
    await service.create(SERVER, "posts", large)

    assert len(functions.calls) == 1
    assert not service.before_writes.waiting_bytes


async def test_the_stored_documents_of_a_short_commit_are_bounded_before_they_are_collected(
    service: BundocService, functions: DecidingFunctions
) -> None:
    large = b'{"text":"' + b"x" * 900_000 + b'","n":0}'
    for id in ("a", "b", "c"):
        await service.put(SERVER, "posts", id, large, NO_PRECONDITION)
    functions.calls.clear()
    patches = [{**write("patch", id), "data": {"$inc": {"n": 1}}} for id in ("a", "b", "c")]

    with pytest.raises(TooLarge) as refused:
        await service.commit(EVE, commit_of(*patches))

    assert refused.value.extra == {"write": 2}  # Each of the writes counts before and after the write.
    assert not any(len(word) > 2 for word in re.findall("[0-9]+", refused.value.detail))  # The refusal tells no size.
    assert functions.calls == []
    await service.commit(EVE, commit_of(*patches[:2]))
    assert len(functions.calls) == 1


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (HookState.NO_FUNCTION, "the project has no function check"),
        (HookState.NO_HOOK, "check has no hooks.beforeWrite"),
        (HookState.READY, None),
    ],
)
async def test_a_collection_whose_function_cannot_answer_is_stored_with_a_warning(
    service: BundocService, functions: DecidingFunctions, state: HookState, said: str | None
) -> None:
    functions.state = state

    made = await service.put_collection(SERVER, "fresh", CollectionSpec(before_write=ASK))

    assert made.before_write == ASK
    assert [(one.collection, one.function) for one in found_in(made)] == ([("fresh", "check")] if said else [])
    assert all(said is not None and said in one.detail for one in found_in(made))


async def test_a_collection_is_stored_if_functions_cannot_be_asked(
    service: BundocService, functions: DecidingFunctions
) -> None:
    functions.unreachable = True

    made = await service.put_collection(SERVER, "fresh", CollectionSpec(before_write=ASK))

    assert (made.before_write, made.warnings) == (ASK, ())


def found_in(made: Collection) -> list[HookWarning]:
    return [one for one in made.warnings or () if isinstance(one, HookWarning)]
