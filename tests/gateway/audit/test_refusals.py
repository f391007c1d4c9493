from __future__ import annotations

from bunbase.contracts.audit import AuditedAct
from bunbase.contracts.caller import Caller
from bunbase.gateway.audit.refusals import MAX_WINDOWS, WINDOW_SECONDS, Refusals
from bunbase.pkg.errors import Unreachable
from tests.gateway.others import FakePlatform
from tests.rooms import member_caller

KEY_CREATE, KEY_DELETE = AuditedAct("key.create"), AuditedAct("key.delete")


class Hand:
    """A clock that a test moves."""

    time = 0.0

    def __call__(self) -> float:
        return self.time


def counts(platform: FakePlatform) -> list[tuple[str, int]]:
    return [(act.action, count) for _, act, count in platform.refusals]


async def test_the_first_attempt_of_each_window_is_stored_and_the_others_are_counted() -> None:
    platform, clock = FakePlatform(), Hand()
    refusals = Refusals(platform, clock)  # type: ignore[arg-type]  # the fake has the methods that are called

    for act in (KEY_CREATE, KEY_CREATE, KEY_DELETE, KEY_CREATE):
        await refusals.note(member_caller("prj_a"), act)
    await refusals.close_windows()
    before = counts(platform)
    clock.time += WINDOW_SECONDS
    await refusals.close_windows()
    await refusals.note(member_caller("prj_a"), KEY_CREATE)

    assert before == [("key.create", 1), ("key.delete", 1)]
    assert counts(platform)[2:] == [("key.create", 2), ("key.create", 1)]


async def test_many_callers_do_not_fill_the_memory() -> None:
    platform = FakePlatform()
    refusals = Refusals(platform, Hand())  # type: ignore[arg-type]  # the fake has the methods that are called

    for number in range(MAX_WINDOWS + 100):
        await refusals.note(member_caller("prj_a", id=f"usr_{number}"), KEY_CREATE)

    assert len(refusals.windows) == MAX_WINDOWS + 1
    await refusals.close_windows(all=True)
    assert counts(platform)[-1] == ("key.create", 99)


async def test_a_log_that_cannot_be_written_does_not_change_the_refusal() -> None:
    class Down(FakePlatform):
        async def note_refusals(self, caller: Caller, act: AuditedAct, count: int) -> None:
            raise Unreachable("down")

    await Refusals(Down()).note(member_caller("prj_a"), KEY_CREATE)  # type: ignore[arg-type]  # as above
