"""Read the content of an upload in parts of a fixed size, so that a part can be sent again."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Awaitable, Iterable
from typing import Any, Final

from bunbase_sdk.core.flow import Flow, ask
from bunbase_sdk.file_values import FileContent
from bunbase_sdk.problem import invalid_value

PART_BYTES: Final = 8 << 20
READ_BYTES: Final = 1 << 20


class Parts:
    """`size`: the number of bytes of the content, or None if it is not known before the end."""

    def __init__(self, content: FileContent) -> None:
        self.size: int | None = None
        self._buffer = bytearray()
        self._ended = False
        self._content: Any = content
        if isinstance(content, str):
            self._content = content.encode()
        if isinstance(self._content, bytes | bytearray | memoryview):
            whole = memoryview(self._content).cast("B")
            self.size = len(whole)
            self._content = iter([whole[at : at + READ_BYTES] for at in range(0, len(whole), READ_BYTES)])
        elif hasattr(content, "read"):
            self.size = _left(content)
        elif isinstance(content, AsyncIterable):
            self._content = aiter(content)
        elif isinstance(content, Iterable):
            self._content = iter(content)
        else:
            raise invalid_value("content", f"Pass bytes, a text, an open file or an iterable, and no {_name(content)}.")

    @property
    def ended(self) -> bool:
        """True if `next` has returned the last part."""
        return self._ended and not self._buffer

    def next(self) -> Flow[bytes]:
        """Return the next PART_BYTES bytes; the last part may have fewer, or none. Raises: Problem."""
        while len(self._buffer) <= PART_BYTES and not self._ended:  # one byte more shows that this is not the last part
            piece = yield from self._piece()
            if inspect.isawaitable(piece):
                _closed(piece)
                raise invalid_value("content", "Only AsyncClient reads content asynchronously.")
            if piece is not None and not isinstance(piece, bytes | bytearray | memoryview):
                raise invalid_value("content", f"The content is bytes, and no {_name(piece)}: open files with 'rb'.")
            self._ended = piece is None or (not piece and hasattr(self._content, "read"))
            self._buffer += piece or b""
        part = bytes(self._buffer[:PART_BYTES])
        del self._buffer[:PART_BYTES]
        return part

    def _piece(self) -> Flow[Any]:
        if hasattr(self._content, "read"):
            return (yield from ask(self._content.read, READ_BYTES))
        if hasattr(self._content, "__anext__"):
            return (yield from ask(anext, self._content, None))
        return next(self._content, None)


def _left(file: Any) -> int | None:
    """Return the number of bytes that a file still has, or None if it cannot be known."""
    try:
        if not file.seekable():
            return None
        at: int = file.tell()
        end: int = file.seek(0, 2)
        file.seek(at)
        return max(0, end - at)
    except (AttributeError, OSError, ValueError, TypeError):
        return None


def _closed(piece: Awaitable[object]) -> None:
    """End a coroutine that nobody awaits, so that Python does not warn about it."""
    if inspect.iscoroutine(piece):
        piece.close()


def _name(value: object) -> str:
    return type(value).__name__
