from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.pkg.numbers import whole_number
from tests.seeds import examples

DIGITS = st.text("0123456789", max_size=30)


@settings(max_examples=examples(100))
@given(DIGITS | st.text(max_size=8), st.integers(0, 2**63))
def test_only_ascii_digits_up_to_the_maximum_are_read_as_a_number(text: str, most: int) -> None:
    expected = int(text) if text and set(text) <= set("0123456789") else None

    assert whole_number(text, most) == (expected if expected is not None and expected <= most else None)


@pytest.mark.parametrize("text", ["9" * 5000, "²", "٣", "1_0", "+1", "-1", " 1", "1 ", "1.0", "1e3", "0x1", "", "nan"])
def test_other_texts_that_int_accepts_or_fails_on_are_refused(text: str) -> None:
    """`int` raises for 5000 digits, and for some texts that `isdigit` calls digits."""
    assert whole_number(text, 2**63) is None


def test_leading_zeros_are_ignored() -> None:
    assert whole_number("0" * 5000 + "7", 9) == 7
    assert whole_number("0" * 5000, 9) == 0
