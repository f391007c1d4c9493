"""Read whole numbers in texts that callers send.

Python's own functions accept too many texts: `int` accepts `٣`, `1_000` and ` +5 `, and `str.isdigit` accepts `²`. In
addition, `int` raises an exception for more than 4300 digits.
"""

from __future__ import annotations


def whole_number(text: str, most: int) -> int | None:
    """Return the number. Return None for a text that is not only ASCII digits, and for a number above `most`."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    if len(digits) > len(str(most)):
        return None
    number = int(digits or "0")
    return number if number <= most else None
