from __future__ import annotations

import pytest

from bunbase.pkg.user_codes import ALPHABET, new_user_code, shown, typed


def test_a_code_has_eight_consonants_and_a_dash_when_it_is_shown() -> None:
    code = new_user_code()

    assert len(code) == 8
    assert set(code) <= set(ALPHABET)
    assert not set("AEIOUY0123456789") & set(ALPHABET)
    assert shown("WDJBMJHT") == "WDJB-MJHT"


@pytest.mark.parametrize("text", ["WDJB-MJHT", "wdjbmjht", " wdjb mjht ", "w-d-j-b-m-j-h-t"])
def test_people_type_a_code_as_they_like(text: str) -> None:
    assert typed(text) == "WDJBMJHT"


@pytest.mark.parametrize("text", ["", "WDJB-MJH", "WDJB-MJHTT", "ADJB-MJHT", "WDJB-MJH0", "x" * 10_000, "ſdjbmjht"])
def test_other_texts_are_no_codes(text: str) -> None:
    assert typed(text) == ""
