from __future__ import annotations

import re

from bunbase.pkg.recovery_codes import new_recovery_codes, recovery_hash
from bunbase.pkg.totp import is_totp_code

FORM = re.compile(r"[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}")


def test_ten_different_codes_of_80_bits_are_made() -> None:
    codes = new_recovery_codes()

    assert len(set(codes)) == 10
    assert all(FORM.fullmatch(code) and not is_totp_code(code) for code in codes)


def test_a_code_may_be_typed_in_capitals_without_hyphens_and_with_letters_like_digits() -> None:
    assert recovery_hash("usr_1", "01ab-cdef-ghjk-mnpq") == recovery_hash("usr_1", "OLAB CDEFGHJKMNPQ")


def test_the_same_code_has_another_hash_for_another_account() -> None:
    assert recovery_hash("usr_1", "01ab-cdef-ghjk-mnpq") != recovery_hash("usr_2", "01ab-cdef-ghjk-mnpq")
