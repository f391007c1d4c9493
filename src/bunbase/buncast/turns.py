"""Limit the work of all tasks of Buncast in one turn of the event loop, so that other work can run.

Callers decide how long a rule, a message or a list of channels is. Many short tasks that become ready at the same time
block the event loop in the same way as one long task, so they share the limit.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from types import TracebackType
from typing import Final

TURN_SECONDS: Final = 0.002  # One rule may take the same time in addition (LOOP_STEPS).


class Turns:
    """Use `with turns:` around work that does not wait, to measure its time.

    Before this work, `await turns.free()` waits until there is time.
    """

    def __init__(self, seconds: float = TURN_SECONDS) -> None:
        self.seconds = seconds
        self._spent = 0.0
        self._began = 0.0

    async def free(self) -> None:
        while self._spent > self.seconds:  # noqa: ASYNC110  an event would wake all tasks, too
            await asyncio.sleep(0)

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._spent:
            asyncio.get_running_loop().call_soon(self._begin_anew)
        self._spent += perf_counter() - self._began

    def _begin_anew(self) -> None:
        self._spent = 0.0
