"""Translates stack traces in log lines: `/function.js:52:9` becomes `functions/hello.ts:12:7`.

Lines are translated when they are written, so the function that throws does not wait for the translation. A source map
is decoded only when the first stack trace of its version is written. A thread decodes the map, so the event loop does
not wait either.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import Final

import msgspec

from bunbase.functions.logs.source_map import BadSourceMap, SourceMap, decode_source_map
from bunbase.functions.store.logs import NewLine
from bunbase.pkg.cache import Cache
from bunbase.pkg.logger import logger

log = logger("functions")

KEPT_MAPS: Final = 8
KEPT_SECONDS: Final = 600.0
# At most this many maps are decoded for one batch, because the lines of all projects wait meanwhile.
MAX_DECODED: Final = 2
# At most this many frames of one line are translated. A line may show four errors with 50 frames each.
MAX_FRAMES: Final = 256
PACKAGES: Final = "node_modules/"
# A place in the bundle has this prefix. If a frame still has the prefix after the translation, the bundler added the
# code.
BUNDLE: Final = "function.js:"
STACK_LINE: Final = re.compile(r"\s+at ")
FRAME: Final = re.compile(r"(?<![\w.-])/?function\.js:(\d{1,9}):(\d{1,9})(?!\d)")

Fetch = Callable[[str, str, int], Awaitable[bytes | None]]


class KeptMap(msgspec.Struct, frozen=True):
    """A map in the cache. `map`: None if the version has no source map, or if its map cannot be used."""

    map: SourceMap | None


class StackTraces:
    """Translates lines.

    `fetch(project, function, version)`: returns a version's source map, or None if there is none.
    """

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch
        self.maps: Cache[tuple[str, str, int], KeptMap] = Cache(KEPT_MAPS, KEPT_SECONDS)

    async def translated(self, lines: Sequence[NewLine]) -> list[NewLine]:
        """Return the lines, with translated stack traces where the version has a map.

        Raises: Unreachable, DatabaseBusy.
        """
        keys = {_key(line) for line in lines if "function.js:" in line.text}
        unknown = [key for key in keys if self.maps.get(key) is None]
        for key in unknown[:MAX_DECODED]:
            text = await self.fetch(*key)
            self.maps.put(key, KeptMap(await asyncio.to_thread(_decoded, text, key) if text else None))
        return [self._line(line) if _key(line) in keys else line for line in lines]

    def forget(self, project: str, function: str) -> None:
        """Drop the maps of a deleted function, because a new function with its name begins with version 1 again."""
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
    """Replace each place in the bundle with its origin.

    If the stack has frames of the developer's files, hide the frames of packages. Places in code that the bundler added
    stay.
    """

    def original(frame: re.Match[str]) -> str:
        place = map.find(int(frame[1]), int(frame[2]))
        return frame[0] if place is None else str(place)

    return _own_lines(FRAME.sub(original, text, count=MAX_FRAMES))


def _own_lines(text: str) -> str:
    """Remove the frames of packages from each stack that also has frames of the developer's files."""
    if PACKAGES not in text:
        return text
    shown: list[str] = []
    for is_stack, lines in groupby(text.split("\n"), key=lambda line: STACK_LINE.match(line) is not None):
        found = list(lines)
        own = [line for line in found if PACKAGES not in line and BUNDLE not in line] if is_stack else found
        shown += own or found
    return "\n".join(shown)


def _decoded(text: bytes, key: tuple[str, str, int]) -> SourceMap | None:
    try:
        return decode_source_map(text)
    except BadSourceMap as bad:
        log.info("a source map cannot be used", function=key[1], version=key[2], project=key[0], reason=str(bad))
        return None
