from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.problems import CommitTooSlow, StaleRevision
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.problems import FunctionError
from bunbase.contracts.functions.walks import (
    MigrationChanged,
    NewWalk,
    WalkChange,
    WalkKind,
    WalkNotFound,
    WalkOver,
    WalkRunning,
    WalkState,
)
from bunbase.contracts.idempotency import IdempotencyMismatch
from bunbase.functions.service import FunctionsService
from bunbase.functions.store.walks import HeldWalk
from bunbase.functions.walks import migrating
from bunbase.functions.walks.committing import commit, has_happened, try_out
from bunbase.functions.walks.migrating import MAYBE_WRITTEN
from bunbase.functions.walks.pages import documents_of
from bunbase.functions.walks.transforming import Action
from bunbase.pkg.errors import InvalidInput, TooLarge, Unreachable
from tests.functions.calls import DEADLINE_SECONDS, MEMBER, SERVER, deploy
from tests.functions.walks.walking import COUNT, deploy_migration, documents, ended, fill, migrate


async def test_a_migration_patches_replaces_and_deletes_documents(functions: FunctionsService, bundoc: Bundoc) -> None:
    await fill(bundoc, 8, name="Eve Low")
    await deploy_migration(
        functions,
        """({ _id, name }) => {
            if (_id === "d0000") return;
            if (_id === "d0001") return { delete: true };
            if (_id === "d0002") return { replace: { whole: true } };
            return { patch: { first: name.split(" ")[0], name: null } };
        }""",
    )

    walk = await ended(functions, await migrate(functions))

    kept = {one["_id"]: {name: one[name] for name in one if name[0] != "_"} for one in await documents(bundoc)}
    assert kept["d0000"] == {"n": 0, "name": "Eve Low"}
    assert kept["d0002"] == {"whole": True}
    assert kept["d0003"] == {"n": 0, "first": "Eve"}
    assert "d0001" not in kept
    assert (walk.state, walk.total, walk.seen) == (WalkState.DONE, 8, 8)
    assert (walk.changed, walk.deleted, walk.unchanged, walk.failed) == (6, 1, 1, 0)


async def test_a_commit_whose_answer_is_lost_is_applied_once(
    functions: FunctionsService, bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill -9, one half of the commits do not happen, and the answers of the other half are lost."""
    sent = 0

    async def losing(bundoc: Bundoc, caller: Caller, walk: HeldWalk, actions: Sequence[Action]) -> None:
        nonlocal sent
        sent += 1
        if sent % 2:
            await commit(bundoc, caller, walk, actions)
        raise Unreachable("The answer is lost.")

    monkeypatch.setattr(migrating, "commit", losing)
    await fill(bundoc, 250)
    await deploy_migration(functions, COUNT)

    walk = await ended(functions, await migrate(functions))

    assert [one["n"] for one in await documents(bundoc)] == [1] * 250
    assert (walk.state, walk.changed, sent) == (WalkState.DONE, 250, 5)


async def test_a_batch_that_was_given_up_can_never_be_committed(functions: FunctionsService, bundoc: Bundoc) -> None:
    """A process that hung may send its commit after another process has taken over."""
    await fill(bundoc, 1)
    [document] = await documents_of(bundoc, SERVER, "people", ("d0000",))
    held = msgspec.convert(msgspec.to_builtins(await _paused(functions)) | {"attempt": 7}, HeldWalk)

    assert not await has_happened(bundoc, SERVER, held)
    assert not await has_happened(bundoc, SERVER, held)
    with pytest.raises(IdempotencyMismatch):
        await commit(bundoc, SERVER, held, [Action(document, "delete")])

    assert len(await documents(bundoc)) == 1


async def _paused(functions: FunctionsService) -> Any:
    await deploy_migration(functions, COUNT)
    walk = await migrate(functions)
    return await functions.change_walk(MEMBER, walk.id, WalkChange("paused"))


async def test_no_document_that_a_user_can_create_decides_about_a_rehearsal_or_a_lost_commit(
    functions: FunctionsService, bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rehearsal ends with a check of a document that does not exist.

    The id of this document must be unknown before.
    """
    await fill(bundoc, 1)
    actions = [Action(document, "delete") for document in await documents_of(bundoc, SERVER, "people", ("d0000",))]
    checked = list[str]()
    really = bundoc.commit

    async def watched(caller: Caller, body: bytes, key: str = "") -> Any:
        checked.append(msgspec.json.decode(body)["writes"][-1]["id"])
        return await really(caller, body, key)

    monkeypatch.setattr(bundoc, "commit", watched)
    for _ in range(2):
        with pytest.raises(StaleRevision):
            await try_out(bundoc, SERVER, "people", actions)
        # This is too late for the next rehearsal.
        await bundoc.put(SERVER, "people", checked[-1], b"{}", NO_PRECONDITION)
    walk = msgspec.convert(msgspec.to_builtins(await _paused(functions)) | {"attempt": 7}, HeldWalk)
    for id in (walk.id, "wlk_two"):
        assert not await has_happened(bundoc, SERVER, msgspec.structs.replace(walk, id=id))

    assert len(set(checked)) == 4
    assert len(await documents(bundoc)) == 3


async def test_documents_that_are_too_large_together_are_written_in_smaller_batches(
    functions: FunctionsService, bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `beforeWrite` function accepts at most 4 MiB, so a larger commit of documents is refused as a whole."""

    async def only_two(bundoc: Bundoc, caller: Caller, walk: HeldWalk, actions: Sequence[Action]) -> None:
        if len(actions) > 2:
            raise TooLarge("Split the commit.", write=2)
        await commit(bundoc, caller, walk, actions)

    monkeypatch.setattr(migrating, "commit", only_two)
    await fill(bundoc, 5)
    await deploy_migration(functions, COUNT)

    walk = await ended(functions, await migrate(functions))

    assert [one["n"] for one in await documents(bundoc)] == [1] * 5
    assert (walk.state, walk.seen, walk.changed, walk.failed) == (WalkState.DONE, 5, 5, 0)


async def test_a_batch_that_is_too_old_to_decide_becomes_failures(
    functions: FunctionsService, bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(bundoc: Bundoc, caller: Caller, walk: HeldWalk, actions: Sequence[Action]) -> None:
        await commit(bundoc, caller, walk, actions)
        monkeypatch.setattr(migrating, "DECIDED_FOR", timedelta(0))
        raise Unreachable("The server died.")

    monkeypatch.setattr(migrating, "commit", dies)
    await fill(bundoc, 3)
    await deploy_migration(functions, COUNT)

    walk = await ended(functions, await migrate(functions))

    assert [one["n"] for one in await documents(bundoc)] == [1, 1, 1]
    assert (walk.state, [(one.code, one.count) for one in walk.errors]) == (WalkState.STOPPED, [(MAYBE_WRITTEN, 3)])


async def test_a_document_that_was_changed_meanwhile_is_read_again(
    functions: FunctionsService, bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = False

    async def beaten(bundoc: Bundoc, caller: Caller, walk: HeldWalk, actions: Sequence[Action]) -> None:
        nonlocal changed
        if not changed:
            changed = True
            await bundoc.patch(SERVER, "people", "d0001", b'{"n": 100}', NO_PRECONDITION)
            await bundoc.delete(SERVER, "people", "d0002", NO_PRECONDITION)
        await commit(bundoc, caller, walk, actions)

    monkeypatch.setattr(migrating, "commit", beaten)
    await fill(bundoc, 4)
    await deploy_migration(functions, COUNT)

    walk = await ended(functions, await migrate(functions))

    assert {one["_id"]: one["n"] for one in await documents(bundoc)} == {"d0000": 1, "d0001": 101, "d0003": 1}
    assert (walk.state, walk.changed, walk.failed) == (WalkState.DONE, 3, 0)


async def test_writes_that_take_too_long_together_are_committed_in_parts(
    functions: FunctionsService, bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    async def slow(bundoc: Bundoc, caller: Caller, walk: HeldWalk, actions: Sequence[Action]) -> None:
        sizes.append(len(actions))
        if len(actions) > 2:
            raise CommitTooSlow("These writes take too long.", write=2)
        await commit(bundoc, caller, walk, actions)

    monkeypatch.setattr(migrating, "commit", slow)
    await fill(bundoc, 5)
    await deploy_migration(functions, COUNT)

    walk = await ended(functions, await migrate(functions))

    assert {one["n"] for one in await documents(bundoc)} == {1}
    assert (walk.state, walk.changed, walk.failed) == (WalkState.DONE, 5, 0)
    assert sizes == [5, 2, 3, 2, 1]


async def test_failed_documents_are_grouped_and_tried_again_by_corrected_code(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await fill(bundoc, 6)
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    await bundoc.put_collection(SERVER, "people", CollectionSpec(schema=schema))
    await deploy_migration(
        functions,
        """({ _id }) => {
            if (_id < "d0002") throw new Error("no name");
            if (_id === "d0002") return { patch: { n: "two" } };
            if (_id === "d0003") return { patch: 3 };
            return { patch: { $inc: { n: 1 } } };
        }""",
    )

    stopped = await ended(functions, await migrate(functions))
    await deploy_migration(functions, COUNT)
    done = await ended(functions, await migrate(functions, code="corrected"))

    assert (stopped.state, stopped.seen, stopped.changed, stopped.failed) == (WalkState.STOPPED, 6, 2, 4)
    assert [(one.code, one.count) for one in stopped.errors] == [
        ("function_error", 2),
        ("function_error", 1),
        ("invalid_document", 1),
    ]
    assert ("no name" in stopped.errors[0].detail, stopped.errors[0].ids) == (True, ("d0000", "d0001"))
    assert (done.id, done.state, done.seen, done.failed) == (stopped.id, WalkState.DONE, 6, 0)
    assert [one["n"] for one in await documents(bundoc)] == [1] * 6


async def test_a_document_that_kills_the_worker_does_not_stop_the_others(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await fill(bundoc, 6)
    each = '({ _id }) => { if (_id === "d0003") process.exit(1); return { patch: { n: 1 } } }'
    await deploy_migration(functions, each)

    walk = await ended(functions, await migrate(functions))

    assert (walk.changed, [(one.count, one.ids) for one in walk.errors]) == (5, [(1, ("d0003",))])


async def test_a_walk_stops_after_its_number_of_errors(functions: FunctionsService, bundoc: Bundoc) -> None:
    await fill(bundoc, 250)
    await deploy_migration(functions, "() => { throw new Error('never') }")

    walk = await ended(functions, await migrate(functions, max_errors=2))

    assert (walk.state, walk.seen, walk.failed) == (WalkState.STOPPED, 100, 100)
    assert walk.error is not None


async def test_a_migration_runs_once_and_a_changed_file_is_named(functions: FunctionsService, bundoc: Bundoc) -> None:
    await fill(bundoc, 3)
    await deploy_migration(functions, COUNT)
    first = await ended(functions, await migrate(functions))

    second = await migrate(functions)
    with pytest.raises(MigrationChanged):
        await migrate(functions, code="changed")
    again = await ended(functions, await migrate(functions, code="changed", again=True))

    assert (second.id, second.state) == (first.id, WalkState.DONE)
    assert (again.changed, [one["n"] for one in await documents(bundoc)]) == (3, [2, 2, 2])


async def test_a_walk_is_paused_resumed_and_cancelled(functions: FunctionsService, bundoc: Bundoc) -> None:
    await fill(bundoc, 300)
    await deploy_migration(functions, COUNT)
    walk = await migrate(functions, max_per_second=100)
    await _visited(functions, walk.id)

    paused = await functions.change_walk(MEMBER, walk.id, WalkChange("paused"))
    with pytest.raises(WalkRunning):
        await migrate(functions, name="0002_second")
    resumed = await functions.change_walk(MEMBER, walk.id, WalkChange("running"))
    cancelled = await functions.change_walk(MEMBER, walk.id, WalkChange("cancelled"))
    with pytest.raises(WalkOver):
        await functions.change_walk(MEMBER, walk.id, WalkChange("running"))

    assert [one.state for one in (paused, resumed, cancelled)] == [
        WalkState.PAUSED,
        WalkState.RUNNING,
        WalkState.CANCELLED,
    ]
    assert 0 < (await functions.walk(MEMBER, walk.id)).seen < 300


async def _visited(functions: FunctionsService, id: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (await functions.walk(MEMBER, id)).seen:
        assert time.monotonic() < deadline, "the walk visited no document"
        await asyncio.sleep(0.01)


async def test_a_rehearsal_counts_and_writes_nothing(functions: FunctionsService, bundoc: Bundoc) -> None:
    await fill(bundoc, 120)
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    await bundoc.put_collection(SERVER, "people", CollectionSpec(schema=schema))
    before = await documents(bundoc)
    await deploy_migration(
        functions,
        """({ _id }) => {
            if (_id === "d0000") return;
            if (_id === "d0001") return { delete: true };
            if (_id === "d0002") return { patch: { n: "two" } };
            if (_id === "d0003") throw new Error("no");
            return { patch: { n: 9 } };
        }""",
    )

    rehearsal = await functions.rehearse_walk(MEMBER, NewWalk(WalkKind.MIGRATION, "m", "0001_first", "0" * 64))

    assert await documents(bundoc) == before
    assert (rehearsal.total, rehearsal.examined, rehearsal.changed, rehearsal.deleted) == (120, 120, 116, 1)
    assert (rehearsal.unchanged, rehearsal.failed) == (1, 2)
    assert sorted(one.code for one in rehearsal.errors) == ["function_error", "invalid_document"]
    assert (rehearsal.sample[0].id, rehearsal.sample[0].change) == ("d0001", {"delete": True})
    assert rehearsal.sample[1].change == {"patch": {"n": 9}}
    assert len(rehearsal.sample) == 5
    assert (await functions.walks(MEMBER, None, 20, None)).items == ()


async def test_changes_of_a_migration_are_changes_like_others(functions: FunctionsService, bundoc: Bundoc) -> None:
    await fill(bundoc, 2)
    await deploy_migration(functions, COUNT)
    since = (await bundoc.changes(SERVER, 0, 500, 0)).next

    await ended(functions, await migrate(functions))

    changes = (await bundoc.changes(SERVER, since, 500, 0)).items
    assert [(one.op, one.id, one.rev) for one in changes] == [("update", "d0000", 2), ("update", "d0001", 2)]


async def test_a_function_that_is_no_migration_is_refused(functions: FunctionsService, bundoc: Bundoc) -> None:
    await fill(bundoc, 1)
    await deploy(functions, "m", "() => 1")

    with pytest.raises(FunctionError):
        await migrate(functions)
    with pytest.raises(InvalidInput):
        await functions.begin_walk(MEMBER, NewWalk(WalkKind.MIGRATION, "m"))
    with pytest.raises(WalkNotFound):
        await functions.walk(MEMBER, "wlk_\x00")
