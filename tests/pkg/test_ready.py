"""Readiness checks each dependency at most once a second, with a deadline, however many clients ask."""

from __future__ import annotations

import asyncio

import pytest

from bunbase.pkg import ready as ready_module
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.ready import Readiness


async def well() -> None: ...


async def away() -> None:
    raise Unreachable("It is away: postgresql://ada@10.0.0.5 does not answer.")


class Counted:
    """A check that counts its calls in `asked` and waits until `go` is set."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = asyncio.Event()

    async def __call__(self) -> None:
        self.asked += 1
        await self.go.wait()


async def test_readiness_reports_each_dependency_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready_module, "OWN_SECONDS", 0.01)

    async def broken() -> None:
        raise KeyError("a secret detail")

    good = await Readiness({"postgres": well}).report()
    bad = await Readiness({"a": well, "b": away, "c": broken, "d": asyncio.Event().wait}).report()

    assert good == ({"status": "ok", "checks": {"postgres": {"status": "ok"}}}, True)
    assert bad == (
        {
            "status": "unavailable",
            "checks": {
                "a": {"status": "ok"},
                "b": {"status": "unavailable", "detail": "It is away: postgresql://ada@10.0.0.5 does not answer."},
                "c": {"status": "unavailable", "detail": "KeyError"},
                "d": {"status": "unavailable", "detail": "no answer within 0.01 s"},
            },
        },
        False,
    )


async def test_readiness_without_details_shows_no_error_texts() -> None:
    readiness = Readiness({"postgres": away}, {"bunkms": well})

    assert await readiness.report(details=False) == (
        {"status": "unavailable", "checks": {"postgres": {"status": "unavailable"}, "bunkms": {"status": "ok"}}},
        False,
    )


async def test_three_hundred_simultaneous_requests_run_each_check_once() -> None:
    """Before, 300 clients at the same time used up all connections of PostgreSQL."""
    postgres = Counted()
    readiness = Readiness({"postgres": postgres})

    crowd = [asyncio.create_task(readiness.report()) for _ in range(300)]
    await asyncio.sleep(0)
    postgres.go.set()
    answers = await asyncio.gather(*crowd, readiness.own_report())

    assert all(good for _, good in answers)
    assert postgres.asked == 1


async def test_an_answer_is_reused_for_one_second() -> None:
    """An answer "ready" and an answer "not ready" are both reused."""
    now, asked = [100.0], []

    async def check() -> None:
        asked.append(now[0])
        if len(asked) == 1:
            raise Unreachable

    readiness = Readiness({"postgres": check}, now=lambda: now[0])

    assert not (await readiness.report())[1]
    now[0] += 0.9
    assert not (await readiness.report())[1]
    now[0] += 0.1
    assert (await readiness.report())[1]

    assert asked == [100.0, 101.0]


async def test_a_client_that_disconnects_does_not_cancel_the_shared_check() -> None:
    postgres = Counted()
    readiness = Readiness({"postgres": postgres})
    first, second = (asyncio.create_task(readiness.report()) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()
    await asyncio.sleep(0)
    postgres.go.set()

    assert (await second)[1]
    assert (first.cancelled(), postgres.asked) == (True, 1)


async def test_the_own_report_of_a_process_calls_no_peers() -> None:
    """A peer that asks for this report must not cause calls to further peers."""
    peer = Counted()
    readiness = Readiness({"postgres": well}, {"bundoc": peer})

    assert await readiness.own_report() == ({"status": "ok", "checks": {"postgres": {"status": "ok"}}}, True)

    assert peer.asked == 0
