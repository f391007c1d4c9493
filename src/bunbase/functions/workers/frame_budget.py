"""How many frames a worker may send, of whatever kind: each costs the host some microseconds of everybody's time.

Sending costs the worker work of its own: it joins the pieces of a body, and a log line or a question is
made of some. Frames that are forged cost it next to nothing: one write of a buffer that is ready holds 28,000. So a
frame is paid for with processor time, and the ratio tells the two apart.

Measured with the runtime, for a millisecond of the worker's processor time: 97 frames of a stream that gives one byte
in each round of the event loop, 81 questions, 360 log lines (of which a call has 4,096 at most). A worker that keeps
below PER_CPU_MS costs the host no more than one that asks questions all the time.
"""

from __future__ import annotations

from typing import Final

from bunbase.functions.workers.frames import BadFrame
from bunbase.functions.workers.processor import ProcessorTime

BURST: Final = 20_000
PER_CPU_MS: Final = 300
PER_CALL: Final = 1_000


class FrameBudget:
    def __init__(self, cpu: ProcessorTime) -> None:
        self._cpu = cpu
        self._left = float(BURST)
        self._paid_ms = 0.0

    def begin_call(self) -> None:
        self._add(PER_CALL)

    def spend(self, frames: int) -> None:
        """Raises: BadFrame for more than the worker can have worked for."""
        self._left -= frames
        if self._left < 0:
            burnt = self._cpu.total_ms()
            self._add((burnt - self._paid_ms) * PER_CPU_MS)
            self._paid_ms = burnt
            if self._left < 0:
                raise BadFrame("a flood of frames")

    def _add(self, frames: float) -> None:
        self._left = min(self._left + frames, BURST)
