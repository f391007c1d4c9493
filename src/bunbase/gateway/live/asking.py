"""Calls that wait for the first result of a query, or for the rules of a channel. They may take seconds.

Each project has places of its own, which its users share. So nobody's slow calls keep out all others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bunbase.contracts.caller import Caller
from bunbase.pkg.shares import Turns

AT_ONCE: Final = 64  # of one project


class Asking:
    """`at_once`: the calls of one project that may wait at the same time."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self.at_once = at_once
        self.by_project: dict[str, Turns] = {}

    @asynccontextmanager
    async def turn(self, caller: Caller) -> AsyncIterator[None]:
        """Wait for a place for this caller, and keep it until the end of the block."""
        project = caller.project
        users = self.by_project.setdefault(project, Turns(self.at_once))
        try:
            async with users.turn(caller.counted_as):
                yield
        finally:
            if users.idle:
                self.by_project.pop(project, None)
