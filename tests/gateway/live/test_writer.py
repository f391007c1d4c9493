"""The writer sends messages in batches, and lets other work run between batches."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from bunbase.gateway.live import writer as writing
from bunbase.gateway.live.outlet import Packed
from bunbase.gateway.live.writer import MOST_TICK_SECONDS, SLICE, TICK_SECONDS, Writer


class SlowSession:
    """A session whose write takes `seconds` of a clock that the test moves.

    The session has `batches` batches to send.
    """

    def __init__(self, writer: Writer, clock: list[float], seconds: float, batches: int) -> None:
        self.writer, self.clock, self.seconds, self.batches = writer, clock, seconds, batches

    def flush(self, packed: Packed | None) -> None:
        self.clock[0] += self.seconds
        self.batches -= 1
        if self.batches:
            self.writer.add(self)


async def pauses_of(monkeypatch: pytest.MonkeyPatch, sessions: int, seconds: float, batches: int) -> list[float]:
    """Return the pauses of a writer, and 0 for each turn that it gives to other work within a batch."""
    sleep, clock, pauses = asyncio.sleep, [0.0], list[float]()

    async def paused(delay: float) -> None:
        pauses.append(delay)
        await sleep(0)

    monkeypatch.setattr(writing, "asyncio", SimpleNamespace(sleep=paused, get_running_loop=asyncio.get_running_loop))
    monkeypatch.setattr(writing, "time", SimpleNamespace(perf_counter=lambda: clock[0], time=lambda: 0.0))
    writer = Writer()
    for _ in range(sessions):
        writer.add(SlowSession(writer, clock, seconds, batches))
    assert writer.task is not None
    await writer.task
    return pauses


@pytest.mark.parametrize(
    ("seconds", "pause"), [(0.0, TICK_SECONDS), (0.02, 0.02), (5.0, MOST_TICK_SECONDS)], ids=["quick", "slow", "stuck"]
)
async def test_the_pause_is_as_long_as_the_last_batch_took(
    monkeypatch: pytest.MonkeyPatch, seconds: float, pause: float
) -> None:
    assert await pauses_of(monkeypatch, 1, seconds, 3) == pytest.approx([TICK_SECONDS, pause, pause])


async def test_other_work_gets_a_turn_after_each_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await pauses_of(monkeypatch, 3 * SLICE, 0.0, 1) == [TICK_SECONDS, 0, 0, 0]
