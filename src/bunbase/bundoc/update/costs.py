"""Limits of the work that the conditions of an update may need. Other writes wait while it is done."""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.bundoc.update.change import Change, ElementTest, invalid

MAX_TESTS: Final = 500_000  # values times the parts of a condition; 1 to 3 µs each
MAX_INSTRUCTIONS: Final = 40_000_000  # bytes times the instructions of all patterns; 5 ns each


def check_tests(array: msgspec.Raw, test: ElementTest, change: Change) -> None:
    """Refuse a condition that takes too long for this array. Raises: InvalidUpdate.

    No part of a condition visits a value twice. The number of values in arrays is estimated from the text: each of them
    follows a comma or a bracket.
    """
    text = bytes(array)
    values = 1 + text.count(b",") + text.count(b"[")
    if values * test.parts > MAX_TESTS:
        raise _refused(change, f"The number of values times the parts of the condition must be at most {MAX_TESTS}.")
    if len(text) * test.program > MAX_INSTRUCTIONS:
        raise _refused(change, "This array is too large for these patterns.")


def _refused(change: Change, message: str) -> Exception:
    return invalid((change.operator, change.written), message)
