from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.functions.walks import NewWalk, Walk, WalkChange, WalkState
from bunbase.functions.service import FunctionsService
from bunbase.functions.walks import backfilling
from bunbase.pkg.errors import InvalidInput
from tests.functions.calls import MEMBER, SERVER, deploy
from tests.functions.triggers.runs import SAY, said
from tests.functions.walks.walking import ended, fill

PAID: list[dict[str, Any]] = [{"collection": "people", "where": {"paid": True}, "ops": ["create"]}]


async def backfill(functions: FunctionsService, **options: Any) -> Walk:
    return await functions.begin_walk(MEMBER, _new(**options))


def _new(**options: Any) -> NewWalk:
    return msgspec.convert({"kind": "backfill", "function": "f", **options}, NewWalk)


async def test_a_backfill_hands_each_wanted_document_to_the_trigger_once(
    functions: FunctionsService, bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfilling, "MAX_WAITING", 4)
    await fill(bundoc, 6, paid=True)
    await bundoc.patch(SERVER, "people", "d0001", b'{"paid": false}', NO_PRECONDITION)
    await deploy(functions, "f", SAY, on=PAID)

    rehearsal = await functions.rehearse_walk(MEMBER, _new(where={"_id": {"$ne": "d0002"}}))
    walk = await ended(functions, await backfill(functions, where={"_id": {"$ne": "d0002"}}))

    bodies = [one["body"] for one in await said(functions, "f", 4)]
    assert sorted(one["id"] for one in bodies) == ["d0000", "d0003", "d0004", "d0005"]
    assert {(one["op"], one["backfill"], one["document"]["paid"]) for one in bodies} == {("create", True, True)}
    assert (walk.state, walk.seen, walk.handed_on, walk.unchanged) == (WalkState.DONE, 6, 4, 2)
    assert (rehearsal.total, rehearsal.examined, rehearsal.handed_on) == (6, 6, 4)


async def test_a_backfill_waits_while_the_queue_is_full_and_can_be_cancelled(
    functions: FunctionsService, bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfilling, "MAX_WAITING", 0)
    await fill(bundoc, 3)
    await deploy(functions, "f", SAY, on=[{"collection": "people"}])

    walk = await backfill(functions)
    cancelled = await functions.change_walk(MEMBER, walk.id, WalkChange("cancelled"))

    assert (cancelled.state, cancelled.seen, cancelled.handed_on) == (WalkState.CANCELLED, 0, 0)
    assert [one.id for one in (await functions.walks(MEMBER, cancelled.kind, 20, None)).items] == [walk.id]


async def test_a_backfill_needs_a_trigger_of_the_collection(functions: FunctionsService, bundoc: Bundoc) -> None:
    await fill(bundoc, 1)
    await deploy(functions, "f", SAY)
    with pytest.raises(InvalidInput):
        await backfill(functions)

    await deploy(functions, "f", SAY, on=[{"collection": "people"}, {"collection": "posts"}])
    with pytest.raises(InvalidInput):
        await backfill(functions)
    with pytest.raises(InvalidInput):
        await backfill(functions, collection="others")
    assert (await ended(functions, await backfill(functions, collection="people"))).handed_on == 1
