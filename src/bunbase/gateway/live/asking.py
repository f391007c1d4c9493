"""Limits the calls that wait for the first result of a query, or for the rules of a channel.

Such a call may take seconds.

A place is the permission to run one call. Each project has its own places, which its users share, and all projects
share the places of the process. A call first waits for a place of its project, and then for a place of the process. The
projects take turns for the places of the process. So slow calls cannot block all other calls, and many projects
together cannot begin more calls than Bundoc or Buncast can handle.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bunbase.contracts.caller import Caller
from bunbase.pkg.shares import Turns

AT_ONCE: Final = 64  # One project runs at most this many calls.


class Asking:
    """`most`: the limit of calls that run at once, for all projects together. `at_once`: the limit for one project."""

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
