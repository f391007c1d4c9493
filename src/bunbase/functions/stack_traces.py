"""Stack traces in log lines, translated: `/function.js:52:9` becomes `functions/hello.ts:12:7`.

Done when lines are written, in a thread: a worker's own stack costs its function nothing, and the event loop neither.
A version's map is decoded when its first trace comes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from bunbase.functions.source_map import BadSourceMap, SourceMap, decode_source_map
from bunbase.functions.store.logs import NewLine
from bunbase.pkg.cache import Cache
from bunbase.pkg.logger import logger

log = logger("functions")

KEPT_MAPS: Final = 8
KEPT_SECONDS: Final = 600.0
MAX_DECODED: Final = 2  # of one batch: the lines of everybody wait for it
MAX_FRAMES: Final = 64  # in one line; the rest of a deep recursion says nothing new
FRAME: Final = re.compile(r"(?<![\w.-])/?function\.js:(\d{1,9}):(\d{1,9})(?!\d)")

Fetch = Callable[[str, str, int], Awaitable[bytes | None]]


class Kept(msgspec.Struct, frozen=True):
    """`map` is None for a version without one, or with one that cannot be used."""

    map: SourceMap | None


class StackTraces:
    """`fetch(project, function, version)` gives a version's source map."""

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch
        self.maps: Cache[tuple[str, str, int], Kept] = Cache(KEPT_MAPS, KEPT_SECONDS)

    async def translated(self, lines: Sequence[NewLine]) -> list[NewLine]:
        """Give the lines, places in bundles replaced where the version has a map. Raises: Unreachable, DatabaseBusy."""
        keys = {_key(line) for line in lines if "function.js:" in line.text}
        unknown = [key for key in keys if self.maps.get(key) is None]
        for key in unknown[:MAX_DECODED]:
            text = await self.fetch(*key)
            self.maps.put(key, Kept(await asyncio.to_thread(_decoded, text, key) if text else None))
        return [self._line(line) if _key(line) in keys else line for line in lines]

    def forget(self, project: str, function: str) -> None:
        """The function is gone: another of its name begins with version 1 again."""
        for key in [key for key in self.maps.entries if key[:2] == (project, function)]:
            self.maps.drop(key)

    def _line(self, line: NewLine) -> NewLine:
        kept = self.maps.get(_key(line))
        if kept is None or kept.map is None or "function.js:" not in line.text:
            return line
        return msgspec.structs.replace(line, text=translate(line.text, kept.map))


def _key(line: NewLine) -> tuple[str, str, int]:
    return line.project, line.function, line.version


def translate(text: str, map: SourceMap) -> str:
    """Replace each place in the bundle by the one it came from; those the bundler made up stay."""

    def original(frame: re.Match[str]) -> str:
        place = map.find(int(frame[1]), int(frame[2]))
        return frame[0] if place is None else str(place)

    return FRAME.sub(original, text, count=MAX_FRAMES)


def _decoded(text: bytes, key: tuple[str, str, int]) -> SourceMap | None:
    try:
        return decode_source_map(text)
    except BadSourceMap as bad:
        log.info("a source map cannot be used", function=key[1], version=key[2], project=key[0], reason=str(bad))
        return None
