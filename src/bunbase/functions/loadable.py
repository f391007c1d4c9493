"""What new workers load, remembered: the first worker of a version just deployed, and later ones, ask no database.

Versions never change, so nothing here can be out of date; what was deleted is dropped for its memory's sake.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from bunbase.functions.store.functions import Loaded
from bunbase.functions.workers.deployment import Deployment

MAX_BYTES: Final = 32 << 20

Key = tuple[str, str, int, str]  # project, name, version, sha256: a name that is deleted and used again begins at 1
LookUp = Callable[[str, str, int], Awaitable[Loaded | None]]


class Loadable:
    def __init__(self, look_up: LookUp, max_bytes: int = MAX_BYTES) -> None:
        self.look_up = look_up
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self.entries: OrderedDict[Key, Loaded] = OrderedDict()

    async def of(self, one: Deployment) -> Loaded | None:
        """Give what is loaded for a version; None if it was deleted."""
        key = (one.project, one.name, one.version, one.sha256)
        found = self.entries.get(key)
        if found is None:
            found = await self.look_up(one.project, one.name, one.version)
            if found is not None:
                self.keep(key, found)
        else:
            self.entries.move_to_end(key)
        return found

    def keep(self, key: Key, loaded: Loaded) -> None:
        """Remember it; what was not asked for longest gives way."""
        self._drop(key)
        self.entries[key] = loaded
        self.held_bytes += _size(loaded)
        while self.held_bytes > self.max_bytes:
            self._drop(next(iter(self.entries)))

    def forget(self, project: str, name: str = "") -> None:
        """Drop a function, or all of a project."""
        for key in [key for key in self.entries if key[0] == project and name in ("", key[1])]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        if (loaded := self.entries.pop(key, None)) is not None:
            self.held_bytes -= _size(loaded)


def _size(loaded: Loaded) -> int:
    return len(loaded.code) + len(loaded.bytecode)
