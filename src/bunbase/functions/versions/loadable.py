"""Keeps the code of versions in memory, so that a new worker does not wait for the database.

A version never changes, so its cached code is never out of date. Deleted versions are dropped only to free memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from bunbase.functions.store.functions import ProgramCode
from bunbase.functions.workers.deployment import Deployment

MAX_BYTES: Final = 32 << 20

# The key is project, name, version and sha256. The key contains the hash because a deleted name may be used again, from
# version 1 on.
Key = tuple[str, str, int, str]
LookUp = Callable[[str, str, int], Awaitable[ProgramCode | None]]


class Loadable:
    """The cache. `look_up(project, name, version)`: reads the code from the database."""

    def __init__(self, look_up: LookUp, max_bytes: int = MAX_BYTES) -> None:
        self.look_up = look_up
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self.entries: OrderedDict[Key, ProgramCode] = OrderedDict()

    async def load(self, one: Deployment) -> ProgramCode | None:
        """Return the code of a version, or None if the version was deleted."""
        key = (one.project, one.name, one.version, one.sha256)
        found = self.entries.get(key)
        if found is None:
            found = await self.look_up(one.project, one.name, one.version)
            if found is not None:
                self.keep(key, found)
        else:
            self.entries.move_to_end(key)
        return found

    def keep(self, key: Key, loaded: ProgramCode) -> None:
        """Keep the code of a version. If the cache is full, drop the least recently used versions."""
        self._drop(key)
        self.entries[key] = loaded
        self.held_bytes += _size(loaded)
        while self.held_bytes > self.max_bytes:
            self._drop(next(iter(self.entries)))

    def forget(self, project: str, name: str = "") -> None:
        """Drop one function, or all functions of a project if `name` is empty."""
        for key in [key for key in self.entries if key[0] == project and name in ("", key[1])]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        if (loaded := self.entries.pop(key, None)) is not None:
            self.held_bytes -= _size(loaded)


def _size(loaded: ProgramCode) -> int:
    return len(loaded.code) + len(loaded.bytecode)
