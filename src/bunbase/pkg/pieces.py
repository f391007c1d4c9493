"""Splits large data into pieces, each of which has its own memory, and joins small pieces.

A transport holds an object in memory until the last byte of the object is sent, but counts only the unsent bytes. The
memory of a piece is freed as soon as the piece is sent, so the counted bytes are nearly the same as the bytes in
memory.
"""

from __future__ import annotations

from collections.abc import Iterator


def pieces_of(data: bytes, size: int) -> list[bytes]:
    """Return data as pieces of at most `size` bytes."""
    if len(data) <= size:
        return [data]
    return [data[start : start + size] for start in range(0, len(data), size)]


class Collector:
    """Joins small pieces of data to pieces of `size` bytes, in one buffer that is used again for each piece.

    A bytearray that grows and shrinks would copy the data twice, and would take new memory for each piece.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.buffer = bytearray()
        self.filled = 0

    def add(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Add data, and yield the pieces that are full. Read all of them before the next call."""
        view = memoryview(data)
        while view:
            taken = min(len(view), self.size - self.filled)
            end = self.filled + taken
            self.buffer[self.filled : end] = view[:taken]  # this extends the buffer only until it has been full once
            self.filled, view = end, view[taken:]
            if end == self.size:
                yield self.take()

    def take(self) -> bytes:
        """Return what is left, and forget it."""
        filled, self.filled = self.filled, 0
        with memoryview(self.buffer) as view:
            return bytes(view[:filled])
