from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from bunbase.pkg.totp import BEFORE_ALL, is_totp_code, matching_step, new_totp_secret, totp_uri, wait_seconds

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
# These are the last six digits of the codes with eight digits in RFC 6238, appendix B, SHA-1.
VECTORS = (
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
)


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


@pytest.mark.parametrize(("second", "code"), VECTORS)
def test_the_vectors_of_rfc_6238_match(second: int, code: str) -> None:
    assert matching_step(RFC_SECRET, code, at(second), BEFORE_ALL) == second // 30


@pytest.mark.parametrize(("seconds", "matches"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_code_is_valid_one_step_before_and_after_its_own(seconds: int, matches: bool) -> None:
    step = matching_step(RFC_SECRET, "005924", at(1234567890 + seconds), BEFORE_ALL)

    assert (step == 1234567890 // 30) is matches


def test_a_used_code_and_older_codes_are_refused() -> None:
    step = matching_step(RFC_SECRET, "050471", at(1111111111), BEFORE_ALL)
    assert step is not None

    assert matching_step(RFC_SECRET, "050471", at(1111111111), step) is None
    assert matching_step(RFC_SECRET, "081804", at(1111111111), step) is None
    assert matching_step(RFC_SECRET, "081804", at(1111111111), BEFORE_ALL) == step - 1


@pytest.mark.parametrize("code", ["", "28708", "2870822", "28708a", "２８７０８２", "²²²²²²", "-87082", "28 7082\n"])
def test_a_text_that_is_no_code_is_refused(code: str) -> None:
    assert not is_totp_code(code)
    assert matching_step(RFC_SECRET, code, at(59), BEFORE_ALL) is None


def test_a_code_may_have_spaces() -> None:
    assert matching_step(RFC_SECRET, "287 082", at(59), BEFORE_ALL) == 1


def test_a_secret_has_160_bits_and_its_address_names_issuer_and_account() -> None:
    secret = new_totp_secret()

    assert len(base64.b32decode(secret)) == 20
    assert totp_uri(secret, "ada@example.com", "BunBase") == (
        f"otpauth://totp/BunBase:ada%40example.com?secret={secret}&issuer=BunBase"
    )


def test_only_one_colon_separates_the_names_of_issuer_and_account() -> None:
    """https://github.com/google/google-authenticator/wiki/Key-Uri-Format describes this format."""
    uri = totp_uri(new_totp_secret(), "Eve: at work", "Bakery: Berlin")

    assert uri.startswith("otpauth://totp/Bakery%20Berlin:Eve%20at%20work?secret=")
    assert uri.endswith("&issuer=Bakery%20Berlin")


def test_wrong_codes_in_a_row_cost_more_and_more_time_up_to_an_hour() -> None:
    assert [wait_seconds(failed) for failed in (0, 4, 5, 6, 7, 10, 11, 1000)] == [0, 0, 60, 120, 240, 1920, 3600, 3600]
