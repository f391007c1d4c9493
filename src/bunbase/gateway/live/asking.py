"""Calls that wait for the first result of a query, or for the rules of a channel. They may take seconds.

Each project has places of its own, which its users share; and all projects share the places of the process. A call
first waits for a place of its project, then for one of the process, for which the projects take turns. So no slow calls
keep out all others, and many projects together do not begin more calls than Bundoc or Buncast can bear.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bunbase.contracts.caller import Caller
from bunbase.pkg.shares import Turns

AT_ONCE: Final = 64  # of one project


class Asking:
    """`most`: the calls of all projects together that run at once. `at_once`: those of one project."""

    def __init__(self, most: int, at_once: int = AT_ONCE) -> None:
        self.at_once = at_once
        self.by_project: dict[str, Turns] = {}
        self.all = Turns(most)

    @asynccontextmanager
    async def turn(self, caller: Caller) -> AsyncIterator[None]:
        """Wait for a place for this caller, and keep it until the end of the block."""
        project = caller.project
        users = self.by_project.setdefault(project, Turns(self.at_once))
        try:
            async with users.turn(caller.counted_as), self.all.turn(project):
                yield
        finally:
            if users.idle:
                self.by_project.pop(project, None)
