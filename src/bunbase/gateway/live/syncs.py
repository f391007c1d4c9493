"""A question of a client whether its results have reached a state."""

from __future__ import annotations

import asyncio


class WaitingSync:
    """A question of a client that waits for a state. `seq`: the number of the change."""

    __slots__ = ("epoch", "id", "seq", "timer")

    def __init__(self, id: int, epoch: str, seq: int) -> None:
        self.id = id
        self.epoch = epoch
        self.seq = seq
        self.timer: asyncio.TimerHandle | None = None
