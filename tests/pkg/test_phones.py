from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.phones import is_country, masked_phone, phone_or_none, reachable_phone
from tests.seeds import examples

NO_NUMBERS = (
    "",
    "170 1234567",
    "0049 170 1234567",
    "+49",
    "+49 170 12345678901234",
    "+4917٠1234567",
    "+49170x123",
    "+" * 50,
    "+49 170 1234567;ext=1",
    "＋491701234567",
    "+999 12345678",
    "+49170\x001234567",
)


@pytest.mark.parametrize(
    ("text", "expected", "country"),
    [
        ("+491701234567", "+491701234567", "DE"),
        (" +49 170 123-45.67 ", "+491701234567", "DE"),
        ("+49 (0)170 1234567", "+491701234567", "DE"),
        ("+1 (415) 555-2671", "+14155552671", "US"),
        ("+1 876 555 1234", "+18765551234", "JM"),  # This is Jamaica and not the United States, although both have +1.
        ("+44 7400 123456", "+447400123456", "GB"),
    ],
)
def test_numbers_are_stored_in_one_form_however_they_are_written(text: str, expected: str, country: str) -> None:
    assert phone_or_none(text) == expected
    assert reachable_phone(text) == (expected, country)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_other_texts_are_no_numbers(text: str) -> None:
    assert phone_or_none(text) is None
    with pytest.raises(InvalidInput):
        reachable_phone(text)


COSTLY = ("+49 900 1234567", "+44 871 1234567", "+1 900 555 1234", "+44 70 1234 5678", "+881 6 1234 5678")


@pytest.mark.parametrize("text", [*COSTLY, "+49 30 1234567"])
def test_no_message_goes_to_costly_numbers_and_to_landlines(text: str) -> None:
    with pytest.raises(InvalidInput):
        reachable_phone(text)


@settings(max_examples=examples(200))
@given(st.text("+0123456789 ()-./x٣", max_size=45) | st.text(max_size=20))
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    normal = phone_or_none(text)

    assert normal is None or phone_or_none(normal) == normal


def test_countries_are_known_and_logs_do_not_have_whole_numbers() -> None:
    assert [is_country(code) for code in ("DE", "US", "de", "XX", "*", "")] == [True, True, False, False, False, False]
    assert masked_phone("+491701234567") == "+4917…67"
