"""The test puts each of these faults into the server, and the checker must find it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.changes import CommittedBatch
from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.engine import Moment
from bunbase.bundoc.live import evaluation, following, frames, incremental, registry, telling, window
from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.edge import Edge
from bunbase.bundoc.live.evaluation import Place
from bunbase.bundoc.live.group import Group
from bunbase.bundoc.live.group_index import GroupIndex
from bunbase.bundoc.live.hub import Hub
from bunbase.bundoc.live.late import LateResults
from bunbase.bundoc.live.registry import Registry
from bunbase.bundoc.live.tail import Tail
from bunbase.bundoc.live.telling import Telling
from bunbase.bundoc.live.visibility import View
from bunbase.bundoc.live.window import HeldRow, Window
from bunbase.bundoc.permissions.access import Access
from bunbase.bundoc.room import BundocRoom
from bunbase.contracts.bundoc.live import Check, Diff, LiveEvent, Results
from tests.bundoc.live import checker
from tests.bundoc.live.checker import IDS, Checker
from tests.bundoc.live.dearness import let_queries_be_dear

pytestmark = pytest.mark.usefixtures("few_spares")

Patch = pytest.MonkeyPatch


def drop_a_diff(patch: Patch) -> None:
    put, diffs = Edge.put, [0]

    def dropping(self: Edge, event: LiveEvent) -> None:
        diffs[0] += isinstance(event, Diff)
        if not (isinstance(event, Diff) and diffs[0] % 10 == 0):
            put(self, event)

    patch.setattr(Edge, "put", dropping)


def leak_an_id(patch: Patch) -> None:
    """Tell callers about the deletion of a document that they never saw."""
    difference = window.difference

    def leaking(old: list[HeldRow], new: list[HeldRow]) -> tuple[list[str], list[tuple[int, HeldRow]]]:
        gone, put = difference(old, new)
        known = {row.id for row in (*old, *new)}
        return [*gone, *[id for id in IDS if id not in known][:1]], put

    patch.setattr(telling, "difference", leaking)


def skip_a_mask(patch: Patch) -> None:
    def whole(_self: Access, _op: str, _lookup: Lookup, stored: StoredDocument) -> StoredDocument:
        return stored

    patch.setattr(Access, "shown", whole)


def split_a_commit(patch: Patch) -> None:
    take = Tail.take

    def splitting(self: Tail, batch: CommittedBatch | None) -> None:
        if batch is None or not batch.changes or len(batch.changes) < 2:
            take(self, batch)
            return
        first, rest = batch.changes[:1], batch.changes[1:]
        take(self, msgspec.structs.replace(batch, seq=first[-1].seq, changes=first))
        later = msgspec.structs.replace(batch, since=first[-1].seq, changes=rest)
        asyncio.get_running_loop().call_later(0.01, take, self, later)

    patch.setattr(Tail, "take", splitting)


def forget_what_is_looked_up(patch: Patch) -> None:
    patch.setattr(evaluation, "_noting", lambda lookup, _looked_up: lookup)


def forget_what_is_looked_up_before_the_search(patch: Patch) -> None:
    found = evaluation._found

    def forgetting(moment: Moment, asked: ParsedLive, view: View, looked_up: set[Place]) -> Window:
        search = view.search.settled(moment.lookup)
        return found(moment, asked, msgspec.structs.replace(view, search=search), looked_up)

    patch.setattr(evaluation, "_found", forgetting)


def forget_that_rules_were_altered(patch: Patch) -> None:
    patch.setattr(GroupIndex, "of_collection", lambda _self, _collection: iter(()))


def never_fill_a_window_again(patch: Patch) -> None:
    patch.setattr(Window, "lacks_rows", property(lambda _self: False))


def forget_that_a_document_has_left(patch: Patch) -> None:
    change = Window.change

    def keeping(self: Window, id: str, row: HeldRow | None, counted: int) -> None:
        if row is not None:
            change(self, id, row, counted)

    patch.setattr(Window, "change", keeping)


def count_only_what_comes(patch: Patch) -> None:
    change = Window.change
    patch.setattr(Window, "change", lambda self, id, row, counted: change(self, id, row, max(counted, 0)))


def resume_without_the_log(patch: Patch) -> None:
    resumed = frames.resumed
    patch.setattr(frames, "resumed", lambda rows, have, _touched, count: resumed(rows, have, lambda _id: False, count))


def ignore_rules_after_the_query(patch: Patch) -> None:
    visible: Callable[..., bool] = incremental._visible
    patch.setattr(incremental, "_visible", lambda asked, _access, image: visible(asked, None, image))


def check_what_is_not_told_yet(patch: Patch) -> None:
    def checking(self: Telling, group: Group) -> None:
        rows = group.result.window.shown
        for edge in group.edges if group.asked.shows_rev else ():
            edge.put(Check(group.name, group.turn, len(rows), window.digest(rows)))

    patch.setattr(Telling, "check", checking)


def check_documents_without_their_order(patch: Patch) -> None:
    digest = window.digest
    patch.setattr(telling, "digest", lambda rows: digest(sorted(rows, key=lambda row: row.id)))


def forget_that_documents_expire(patch: Patch) -> None:
    patch.setattr(evaluation, "_next_end", lambda *_arguments: None)


def keep_results_when_anything_may_have_changed(patch: Patch) -> None:
    """The fault: results stay when anything may have changed. The server announces a restore in this way."""
    patch.setattr(Registry, "mark_all", lambda _self, regroup=False: None)


def follow_changes_that_miss_a_result_without_bodies(patch: Patch) -> None:
    patch.setattr(registry, "MAX_HELD_BYTES", 0)
    touches = incremental.touches
    patch.setattr(following, "touches", lambda asked, before, after: touches(asked, after, after))


def take_a_changed_body_for_the_same(patch: Patch) -> None:
    """The fault: a changed body looks like the same body.

    If bodies are not in memory, the digest contains only the ids.
    """
    patch.setattr(registry, "MAX_HELD_BYTES", 0)
    patch.setattr(window, "blake2b", lambda _body, digest_size: hashlib.blake2b(b"", digest_size=digest_size))


def send_the_barrier_although_a_group_is_behind(patch: Patch) -> None:
    let_queries_be_dear(patch)
    patch.setattr(Hub, "_fall_behind", lambda *_arguments: None)


def tell_late_results_as_of_another_change(patch: Patch) -> None:
    let_queries_be_dear(patch)
    run = LateResults._run

    def running(self: LateResults, *arguments: Any) -> Results:
        found = run(self, *arguments)
        return msgspec.structs.replace(found, seq=found.seq - 1)

    patch.setattr(LateResults, "_run", running)


MUTATIONS = (
    drop_a_diff,
    leak_an_id,
    skip_a_mask,
    split_a_commit,
    forget_what_is_looked_up,
    forget_what_is_looked_up_before_the_search,
    forget_that_rules_were_altered,
    never_fill_a_window_again,
    forget_that_a_document_has_left,
    count_only_what_comes,
    resume_without_the_log,
    ignore_rules_after_the_query,
    check_what_is_not_told_yet,
    check_documents_without_their_order,
    forget_that_documents_expire,
    keep_results_when_anything_may_have_changed,
    follow_changes_that_miss_a_result_without_bodies,
    take_a_changed_body_for_the_same,
    send_the_barrier_although_a_group_is_behind,
    tell_late_results_as_of_another_change,
)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.__name__)
async def test_the_checker_finds_the_fault(
    room: BundocRoom, monkeypatch: Patch, mutation: Callable[[Patch], Any]
) -> None:
    monkeypatch.setattr(checker, "SETTLE_SECONDS", 5.0)  # Some faults appear only when no further event comes.
    mutation(monkeypatch)

    with pytest.raises(AssertionError) as found:
        await check_histories(room)

    assert "of 0:" not in str(found.value), "the histories did not begin"


async def check_histories(room: BundocRoom) -> None:
    for seed in range(40):  # The first fault ends the search, in most cases within eight histories.
        await Checker(room, seed).run(steps=80)
