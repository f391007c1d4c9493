"""If documents change while a function decides about a write, the function must decide again."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.before_writes import ROUNDS
from bunbase.bundoc.questions import Unanswered
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.writes import CommitStep, Put, Verdict
from bunbase.contracts.bundoc.collections import CollectionSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Precondition
from bunbase.contracts.bundoc.problems import (
    DocumentExists,
    DocumentNotFound,
    InvalidDocument,
    RuleDenied,
    WriteContended,
    WriteRefused,
)
from bunbase.pkg.errors import Problem
from tests.bundoc.deciding import EVE, SERVER, DecidingFunctions, P, asking_service, commit_of, stored, write


@pytest.fixture
def functions() -> DecidingFunctions:
    return DecidingFunctions()


@pytest.fixture
async def service(engine: SqliteEngine, functions: DecidingFunctions) -> BundocService:
    return await asking_service(engine, functions)


async def test_the_function_is_asked_again_if_the_document_changes_while_it_decides(
    service: BundocService, functions: DecidingFunctions, engine: SqliteEngine
) -> None:
    await service.create(SERVER, "posts", b'{"_id":"p1","n":1}')
    functions.decide = lambda write: {"patch": {"seen": write["before"]["n"]}}
    times = iter([10, 20])

    async def change() -> None:
        if (n := next(times, None)) is not None:
            await unasked(engine, "p1", n)

    functions.meanwhile = change
    functions.calls.clear()

    await service.patch(SERVER, "posts", "p1", b'{"mine":true}', NO_PRECONDITION)

    assert [event["writes"][0]["before"]["n"] for event in functions.events] == [1, 10, 20]
    assert await stored(service, "p1") == {"n": 20, "mine": True, "seen": 20}


async def test_a_document_that_never_rests_is_a_conflict(
    service: BundocService, functions: DecidingFunctions, engine: SqliteEngine
) -> None:
    await service.create(SERVER, "posts", b'{"_id":"p1","n":0}')
    functions.calls.clear()
    functions.meanwhile = lambda: unasked(engine, "p1", len(functions.calls))

    with pytest.raises(WriteContended):
        await service.patch(SERVER, "posts", "p1", b'{"mine":true}', NO_PRECONDITION)

    assert len(functions.calls) == ROUNDS
    assert await stored(service, "p1") == {"n": ROUNDS}


async def test_a_change_while_the_function_decides_is_checked_again(
    service: BundocService, functions: DecidingFunctions, engine: SqliteEngine
) -> None:
    await service.create(SERVER, "posts", b'{"_id":"p1","n":0}')
    functions.meanwhile = lambda: service.put_collection(SERVER, "posts", CollectionSpec(rules=Rules(update="false")))

    with pytest.raises((RuleDenied, DocumentNotFound)):
        await service.patch(EVE, "posts", "p1", b'{"n":1}', NO_PRECONDITION)
    functions.meanwhile = lambda: service.put_collection(
        SERVER, "posts", CollectionSpec(schema={"required": ["title"]})
    )
    with pytest.raises(InvalidDocument):
        await service.patch(SERVER, "posts", "p1", b'{"n":1}', NO_PRECONDITION)
    await service.put_collection(SERVER, "posts", CollectionSpec(schema=None))
    functions.meanwhile = lambda: unasked(engine, "p9", 1)
    with pytest.raises(DocumentExists):
        await service.create(SERVER, "posts", b'{"_id":"p9"}')

    assert await stored(service, "p1") == {"n": 0}


async def test_a_precondition_is_checked_before_and_after_the_question(
    service: BundocService, functions: DecidingFunctions, engine: SqliteEngine
) -> None:
    await service.create(SERVER, "posts", b'{"_id":"p1","n":0}')
    functions.calls.clear()
    functions.meanwhile = lambda: unasked(engine, "p1", 5)

    with pytest.raises(Problem, match="Revision 2"):
        await service.put(SERVER, "posts", "p1", b"{}", Precondition(rev=1))

    assert len(functions.calls) == 1
    assert await stored(service, "p1") == {"n": 5}


IDS = st.sampled_from("abc")
VALUES = st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), IDS, VALUES),
        st.tuples(st.just("patch"), IDS, VALUES),
        st.tuples(st.just("delete"), IDS),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commits=st.lists(STEPS, min_size=1, max_size=5), refused=VALUES, race=st.booleans())
async def test_a_refused_document_is_never_stored(
    service: BundocService, functions: DecidingFunctions, commits: Any, refused: int, race: bool
) -> None:
    """The function refuses one value, and records all others. `race`: commits that run while the function decides."""

    def decide(write: dict[str, Any]) -> Any:
        if write["next"] is None:
            return None if write["before"]["n"] != refused else {"refuse": "Stay."}
        return {"refuse": "No."} if write["next"]["n"] == refused else {"patch": {"allowed": write["next"]["n"]}}

    functions.decide = decide
    functions.meanwhile = None
    for id in "abc":
        await service.put(SERVER, "posts", id, b'{"n":%d}' % (refused + 6), NO_PRECONDITION)

    async def run(steps: Any) -> None:
        writes = [write(op, id, n=rest[0] if rest else None) for op, id, *rest in steps]
        with suppress(WriteRefused, DocumentNotFound, WriteContended):
            await service.commit(SERVER, commit_of(*writes))

    raced = iter(commits if race else [])

    async def meanwhile() -> None:
        for other in raced:
            await run(other)

    functions.meanwhile = meanwhile
    for steps in commits:
        await run(steps)

    found = [await stored(service, id) for id in "abc"]
    assert all(one is None or (one["n"] != refused and one["allowed"] == one["n"]) for one in found)


async def unasked(engine: SqliteEngine, id: str, n: int) -> None:
    """Write a document directly to the engine, so that the function does not see the write."""
    try:
        await engine.commit(P, (CommitStep("posts", Put(id, b'{"n":%d}' % n, NO_PRECONDITION)),))
    except Unanswered as asked:
        [one] = asked.questions
        assert one.after is not None
        verdict = Verdict(one.hook, one.op, one.before.rev if one.before else 0, one.after.body)
        await engine.commit(P, (msgspec.structs.replace(one.step, verdict=verdict),))
