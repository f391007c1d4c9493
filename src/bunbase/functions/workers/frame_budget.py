"""A bound on the number of frames, of any kind, that a worker may send.

The concern: each frame costs the server some microseconds, which every project pays for. A bound for each
kind of frame would let a hostile worker use all kinds in turn.

The idea: an honest worker uses processor time of its own for each frame, because it joins bodies and formats log lines.
Forged frames cost almost nothing: one write of a prepared buffer holds 28,000 of them. So frames are paid for with the
worker's processor time, which the kernel measures and the worker cannot forge.

Measured with the runtime, per millisecond of the worker's processor time: 97 frames of a stream that yields one byte in
each round of the event loop; 81 asks; 360 log lines (a call may log at most 4,096). A worker that stays below
PER_CPU_MS costs the server no more than one that asks all the time. The kernel's clock is read only when the frames on
credit (BURST, and PER_CALL for each new call) are used up.
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
        """Pay for frames. Raises: BadFrame if the worker's processor time cannot have produced so many."""
        self._left -= frames
        if self._left < 0:
            burnt = self._cpu.total_ms()
            self._add((burnt - self._paid_ms) * PER_CPU_MS)
            self._paid_ms = burnt
            if self._left < 0:
                raise BadFrame("a flood of frames")

    def _add(self, frames: float) -> None:
        self._left = min(self._left + frames, BURST)
