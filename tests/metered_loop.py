"""An event loop that counts the work of each of its turns: bytes as in `pkg.effort`, and calls of functions."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

from bunbase.pkg import effort

T = TypeVar("T")


class MeteredLoop(asyncio.SelectorEventLoop):
    """Counts the work of each turn: everything between two checks of the sockets, while no other request is served.

    `longest_bytes`, `longest_calls`: the highest counts of any turn since `watched` began.
    """

    def __init__(self) -> None:
        super().__init__()
        self.watching = False
        self.bytes = self.calls = self.longest_bytes = self.longest_calls = self.ended_calls = 0

    @property
    def all_calls(self) -> int:
        """The calls of all turns."""
        return self.ended_calls + self.calls

    def _run_once(self) -> None:
        self.ended_calls += self.calls
        self.bytes = self.calls = 0
        super()._run_once()  # type: ignore[misc]  # asyncio's own, which typeshed does not name
        self.end_turn()

    def end_turn(self) -> None:
        self.longest_bytes = max(self.longest_bytes, self.bytes)
        self.longest_calls = max(self.longest_calls, self.calls)

    async def watched(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the work and count what each turn does."""
        thread = threading.get_ident()

        def count(bytes: int) -> None:
            if threading.get_ident() == thread:
                self.bytes += bytes

        def call(_frame: FrameType, event: str, _argument: Any) -> None:
            self.calls += event in ("call", "c_call")

        gc.collect()
        gc.disable()  # A collection would call the finalizers of other tests' objects, and these calls would count.
        self.longest_bytes = self.longest_calls = 0
        effort.counting = count
        sys.setprofile(call)
        try:
            return await work
        finally:
            sys.setprofile(None)
            effort.counting = None
            gc.enable()
            self.end_turn()
