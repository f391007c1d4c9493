"""A limit on the number of frames, of any kind, that a worker may send.

The concern: each frame costs the server some microseconds, and all projects share the server. A separate limit for each
kind of frame was rejected, because a hostile worker would use one kind after another.

The idea: an honest worker spends processor time on each frame, because it joins bodies and formats log lines. Forged
frames cost the worker almost nothing: one write of a prepared buffer contains 28,000 of them. So a worker pays for its
frames with its processor time, which the kernel measures and the worker cannot forge.

Per millisecond of processor time, our runtime sends (measured): 97 frames of a stream that yields one byte in each turn
of the event loop; 81 asks; 360 log lines (a call may log at most 4,096). A worker below PER_CPU_MS costs the server no
more than a worker that sends asks all the time. Reading the kernel's clock also costs time. So a worker starts with a
credit of BURST frames and gets PER_CALL more with each call. The clock is read only when the credit is used up.
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
        """Pay for frames. Raises: BadFrame if the worker has sent more frames than its processor time allows."""
        self._left -= frames
        if self._left < 0:
            burnt = self._cpu.total_ms()
            self._add((burnt - self._paid_ms) * PER_CPU_MS)
            self._paid_ms = burnt
            if self._left < 0:
                raise BadFrame("too many frames for its processor time")

    def _add(self, frames: float) -> None:
        self._left = min(self._left + frames, BURST)
