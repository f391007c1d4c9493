from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.gateway import revoked as revoked_module
from bunbase.gateway.revoked import Revoked
from bunbase.pkg.errors import Unreachable
from tests.pkg.waiting import eventually

READY, ALIVE = Revocation(RevokedKind.READY), Revocation(RevokedKind.ALIVE)


class Script:
    """A feed that yields the lines that it is given; an exception ends it."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[Revocation | Exception] = asyncio.Queue()
        self.now = 1000.0
        self.since_boot = 50.0
        self.followed = 0

    async def follow(self) -> AsyncIterator[Revocation]:
        self.followed += 1
        while True:
            line = await self.lines.get()
            if isinstance(line, Exception):
                raise line
            yield line

    async def heard(self, *lines: Revocation | Exception) -> None:
        for line in lines:
            self.lines.put_nowait(line)
        await eventually(self.lines.empty)
        await asyncio.sleep(0)


@pytest.fixture
async def script() -> Script:
    return Script()


@pytest.fixture
async def revoked(script: Script, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Revoked]:
    monkeypatch.setattr(revoked_module, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(revoked_module, "PURGE_ABOVE", 0)
    revoked = Revoked("test", script.follow, lambda _: None, lambda: script.now, lambda: script.since_boot)
    task = asyncio.create_task(revoked.run())
    yield revoked
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_feed_is_live_from_ready_until_it_falls_silent(revoked: Revoked, script: Script) -> None:
    assert not revoked.live()
    await script.heard(Revocation(RevokedKind.SESSION, "a", 2000.0))
    assert not revoked.live()
    await script.heard(READY)
    assert revoked.live()

    script.since_boot += revoked_module.STALE_SECONDS
    assert not revoked.live()
    await script.heard(ALIVE)
    assert revoked.live()


async def test_a_clock_that_is_set_back_does_not_prolong_a_silent_feed(revoked: Revoked, script: Script) -> None:
    await script.heard(READY)

    script.now -= 3600
    script.since_boot += revoked_module.STALE_SECONDS

    assert not revoked.live()


@pytest.mark.parametrize("end", [Unreachable("gone"), ZeroDivisionError()])
async def test_a_broken_feed_reconnects_and_is_live_after_the_next_ready(
    revoked: Revoked, script: Script, end: Exception
) -> None:
    await script.heard(READY, end)
    await eventually(lambda: script.followed == 2)
    assert not revoked.live()

    await script.heard(READY)

    assert revoked.live()


async def test_a_revocation_is_removed_after_its_credential_expires(revoked: Revoked, script: Script) -> None:
    await script.heard(Revocation(RevokedKind.KEY, "soon", 1001.0), Revocation(RevokedKind.KEY, "later", 9999.0), READY)
    assert "soon" in revoked

    script.now = 1001.0
    for number in range(3):  # Every message is a revocation, with no sign of life between them.
        await script.heard(Revocation(RevokedKind.KEY, f"news{number}", 9999.0))

    assert "soon" not in revoked
    assert "later" in revoked
