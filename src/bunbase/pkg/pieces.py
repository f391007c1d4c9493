"""Splits large data into pieces, each of which has its own memory.

A transport holds an object in memory until the last byte of the object is sent, but counts only the unsent bytes. The
memory of a piece is freed as soon as the piece is sent, so the counted bytes are nearly the same as the bytes in
memory.
"""

from __future__ import annotations


def pieces_of(data: bytes, size: int) -> list[bytes]:
    """Return data as pieces of at most `size` bytes."""
    if len(data) <= size:
        return [data]
    return [data[start : start + size] for start in range(0, len(data), size)]
