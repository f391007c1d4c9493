"""Read whole numbers in texts that callers send.

Python's own functions accept too much or fail: `int` accepts `٣`, `1_000` and ` +5 ` and raises for more than 4300
digits, and `str.isdigit` accepts `²`.
"""

from __future__ import annotations


def whole_number(text: str, most: int) -> int | None:
    """Return the number that ASCII digits write; None for any other text and for a number above `most`."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    if len(digits) > len(str(most)):
        return None
    number = int(digits or "0")
    return number if number <= most else None
