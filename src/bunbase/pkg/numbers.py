"""Numbers in texts that callers send: read by one function, which refuses what Python's `int` would choke on.

`int` refuses more than 4300 digits with an exception, takes `٣`, `1_000` and ` +5 `, and `str.isdigit` takes `²`.
"""

from __future__ import annotations


def whole_number(text: str, most: int) -> int | None:
    """Return the number that ASCII digits write, or None for anything else and for more than `most`."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    if len(digits) > len(str(most)):
        return None
    number = int(digits or "0")
    return number if number <= most else None
