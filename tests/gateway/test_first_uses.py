from __future__ import annotations

from bunbase.contracts.bunauth.tokens import FirstUse
from bunbase.gateway.first_uses import BATCH, MOST, FirstUses
from bunbase.pkg.errors import Unreachable


class Reports:
    def __init__(self) -> None:
        self.reachable = True
        self.uses: list[FirstUse] = []
        self.calls = 0

    async def __call__(self, uses: tuple[FirstUse, ...]) -> None:
        self.calls += 1
        if not self.reachable:
            raise Unreachable("BunAuth is down.")
        self.uses.extend(uses)


async def test_the_newest_use_of_each_session_is_reported_once() -> None:
    reports = Reports()
    uses = FirstUses(reports)
    for session, generation in (("a", 1), ("a", 3), ("b", 2), ("a", 2)):
        uses.note({"sid": session, "gen": generation})

    await uses.flush()
    await uses.flush()

    assert sorted((use.session, use.generation) for use in reports.uses) == [("a", 3), ("b", 2)]
    assert reports.calls == 1


async def test_sessions_of_two_projects_are_reported_with_their_projects() -> None:
    reports = Reports()
    uses = FirstUses(reports)
    for project, generation in (("prj_bakery", 1), ("prj_library", 2), ("prj_bakery", 3)):
        uses.note({"sid": "a", "gen": generation}, project)

    await uses.flush()

    assert sorted((use.project, use.session, use.generation) for use in reports.uses) == [
        ("prj_bakery", "a", 3),
        ("prj_library", "a", 2),
    ]


async def test_tokens_of_a_sign_in_of_older_releases_and_of_no_session_are_not_reported() -> None:
    reports = Reports()
    uses = FirstUses(reports)
    for claims in ({"sid": "a", "gen": 0}, {"sid": "a"}, {"jti": "tok_1"}):
        uses.note(claims)

    await uses.flush()

    assert reports.calls == 0


async def test_many_uses_are_reported_in_batches_and_the_oldest_of_too_many_are_dropped() -> None:
    reports = Reports()
    uses = FirstUses(reports)
    for number in range(MOST + 2):
        uses.note({"sid": f"ses_{number}", "gen": 1})

    await uses.flush()

    assert len(reports.uses) == MOST
    assert reports.calls == MOST // BATCH
    assert {"ses_0", "ses_1"}.isdisjoint(use.session for use in reports.uses)


async def test_a_report_that_fails_is_dropped_and_later_ones_are_sent() -> None:
    reports = Reports()
    uses = FirstUses(reports)
    reports.reachable = False
    uses.note({"sid": "a", "gen": 1})
    await uses.flush()
    reports.reachable = True
    uses.note({"sid": "b", "gen": 1})

    await uses.flush()

    assert reports.uses == [FirstUse("b", 1)]


async def test_uses_that_are_not_yet_reported_are_reported_at_the_end() -> None:
    reports = Reports()
    uses = FirstUses(reports)
    async with uses.reporting():
        uses.note({"sid": "a", "gen": 1})

    assert reports.uses == [FirstUse("a", 1)]
