"""At each `at`, a late connection also has exactly its results of this state. The checker finds faults in this."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import pytest

from bunbase.bundoc import jobs
from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.late import LateResults
from bunbase.bundoc.room import BundocRoom
from bunbase.contracts.bundoc.live import Behind, Results
from bunbase.contracts.caller import Caller
from bunbase.gateway.live import lateness
from bunbase.gateway.live.queries import Queries
from bunbase.pkg.errors import Problem
from tests.bundoc.backups.backed_up import whole_bundoc
from tests.bundoc.live import checker as checking
from tests.bundoc.live.comparing import Violation
from tests.bundoc.live.dearness import let_queries_be_dear
from tests.fakes import FakeKms
from tests.gateway.live.late_histories import GatewayChecker
from tests.seeds import seeds

Patch = pytest.MonkeyPatch
Asked = Sequence[ParsedLive | Problem]


@pytest.fixture
async def room(tmp_path: Path, monkeypatch: Patch) -> AsyncIterator[BundocRoom]:
    monkeypatch.setattr(jobs, "TEND_SECONDS", 3600.0)
    monkeypatch.setattr(lateness, "LEAST_PAUSE_SECONDS", 0.005)
    monkeypatch.setattr(lateness, "MOST_PAUSE_SECONDS", 0.005)
    let_queries_be_dear(monkeypatch)
    async with whole_bundoc(tmp_path, FakeKms()) as bundoc:
        yield bundoc


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(2))
async def test_late_connections_keep_the_promise(room: BundocRoom, seed: int) -> None:
    checker = GatewayChecker(room, seed)

    await checker.run(60, lambda: checker.checked > 100 and checker.late_results > 10)


def take_a_late_watch_for_one_that_is_up_to_date(patch: Patch) -> None:
    def ignoring(self: Queries, event: Behind) -> None:
        for number in event.numbers:
            if (watch := self.watches.by_number.get(number)) is not None:
                self.watches.withdraw(watch)

    patch.setattr(Queries, "_take_behind", ignoring)


def take_each_late_result_from_another_snapshot(patch: Patch) -> None:
    results = LateResults.results

    async def apart(self: LateResults, caller: Caller, parsed: Callable[[], Awaitable[Asked]]) -> Results:
        async def alone(one: ParsedLive | Problem) -> Asked:
            return [one]

        found = [await results(self, caller, partial(alone, one)) for one in await parsed()]
        return msgspec.structs.replace(found[-1], results=tuple([one.results[0] for one in found]))

    patch.setattr(LateResults, "results", apart)


MUTATIONS = (take_a_late_watch_for_one_that_is_up_to_date, take_each_late_result_from_another_snapshot)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.__name__)
async def test_the_checker_finds_the_fault(
    room: BundocRoom, monkeypatch: Patch, mutation: Callable[[Patch], None]
) -> None:
    monkeypatch.setattr(checking, "SETTLE_SECONDS", 3.0)
    mutation(monkeypatch)

    with pytest.raises(Violation):
        await check_histories(room)


async def check_histories(room: BundocRoom) -> None:
    for seed in range(8):
        await GatewayChecker(room, seed).run(steps=100)
