"""The header Range (RFC 9110 §14). One range of bytes is served; a request for several gets the whole object."""

from __future__ import annotations

import re
from typing import Final

from bunbase.contracts.storage import RangeNotSatisfiable

RANGE: Final = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.IGNORECASE)


def asked_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first byte and the byte after the range, or None for the whole object.

    A header that is not one range of bytes is ignored, as RFC 9110 §14.2 allows. Raises: RangeNotSatisfiable.
    """
    found = RANGE.fullmatch(header.replace(" ", "")) if header else None
    if found is None or found[0].endswith("=-"):
        return None
    first, last = found[1], found[2]
    if not first:
        start, end = max(0, size - int(last)), size
        if int(last) == 0:
            start = size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= size:
        raise RangeNotSatisfiable(f"The object has {size} bytes.", size=size)
    return start, end
