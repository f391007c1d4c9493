"""Check CBOR of strangers before a library decodes it (RFC 8949; CTAP 2.1 §8, "CTAP2 canonical CBOR").

Concern: cbor2 computes the values of tags. For a number of 200 kB in a decimal fraction (tag 4) this took 12 seconds,
    during which the process answered no requests. Authenticators only send numbers, texts, bytes, lists, maps and
    simple values.
Decision: this file refuses everything else: tags, items of unknown length, deep or many items. This file decodes
nothing. Rejected: an option of cbor2, because it has none that refuses tags; and decoding in a thread, because the
decimal fraction would still take 12 seconds of processor time.
"""

from __future__ import annotations

from typing import Final

MAX_DEPTH: Final = 8  # An attestation object has four levels.
MAX_ITEMS: Final = 1000
BYTES, TEXT, LIST, MAP, TAG, SIMPLE = 2, 3, 4, 5, 6, 7
ARGUMENT_BYTES: Final = {24: 1, 25: 2, 26: 4, 27: 8}


class NotPlain(ValueError): ...


def check_plain(data: bytes) -> None:
    """Check a sequence of plain items, which may be empty. Raises: NotPlain."""
    place = items = 0
    # Each open list or map has the number of items that it still needs. The first entry is the sequence itself.
    open_items = [0]
    while place < len(data) or len(open_items) > 1:
        if len(open_items) > 1 and open_items[-1] == 0:
            open_items.pop()
            continue
        open_items[-1] -= 1
        items += 1
        kind, argument, place = _head(data, place)
        if kind in (BYTES, TEXT):
            place += argument
        elif kind in (LIST, MAP):
            open_items.append(argument * (2 if kind == MAP else 1))
        if kind == TAG or place > len(data) or items > MAX_ITEMS or len(open_items) > MAX_DEPTH + 1:
            raise NotPlain("it has a tag, is cut off, or has too many items")


def _head(data: bytes, place: int) -> tuple[int, int, int]:
    """Return the kind of the next item, its argument, and the place after both. Raises: NotPlain."""
    if place >= len(data):
        raise NotPlain("it is cut off")
    kind, short = data[place] >> 5, data[place] & 31
    size, place = ARGUMENT_BYTES.get(short, 0), place + 1
    if short > max(ARGUMENT_BYTES):
        raise NotPlain("an item has no length")
    argument = int.from_bytes(data[place : place + size]) if size else short
    return kind, argument, place + size
