from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bunbase.pkg.addresses import MAX_SENT, compared_domain, email_or_none, known_email, normal_email
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.phones import phone_or_none


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (" Ada@Example.COM ", "ada@example.com"),
        ("a@localhost", "a@localhost"),
        ("first.last+tag@sub.example.co.uk", "first.last+tag@sub.example.co.uk"),
    ],
)
def test_an_email_address_is_stored_trimmed_and_in_lower_case(written: str, stored: str) -> None:
    assert normal_email(written) == stored


@pytest.mark.parametrize(
    "written", ["U@Bücher.example", "u@BU\u0308CHER.example", "u@xn--bcher-kva.example", "u@XN--BCHER-KVA.example"]
)
def test_the_spellings_of_an_international_domain_are_one_mailbox(written: str) -> None:
    """Only some browsers send the encoded form from `<input type="email">`."""
    assert normal_email(written) == "u@bücher.example"


@pytest.mark.parametrize(
    "label", ["xn--a", "xn--99999999", "xn--BCHER-KVA9", "xn--xn---epa", "xn--u-ccb", "xn--53h", "xn--09d"]
)
def test_an_encoded_label_that_is_not_the_encoding_of_its_text_stays(label: str) -> None:
    assert normal_email(f"a@{label}.example") == f"a@{label.lower()}.example"


@example("xn--09d")
@given(st.from_regex(r"xn--[a-z0-9-]{0,12}[a-z0-9]", fullmatch=True))
def test_two_different_labels_never_become_one(label: str) -> None:
    normal = normal_email(f"a@{label}.example")

    host = normal.removeprefix("a@").removesuffix(".example")
    assert label in (host, "xn--" + host.encode("punycode").decode())
    assert normal_email(normal) == normal


@pytest.mark.parametrize(
    "written",
    ["", "ada", "@example.com", "ada@", "a b@example.com", "a@b@c", "a@.com", "a@com.", "a@b..c", "<a@b.c>", "a\n@b.c"],
)
def test_a_text_that_is_no_email_address_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        normal_email(written)

    assert refused.value.extra["errors"][0]["path"] == "/email"


@pytest.mark.parametrize(
    "written",
    [
        *("=?utf-8?q?m=40evil.com=2c?==28=?utf-8?q?=29=5c==é@corp.com", "=?@corp.com", "a=?b@corp.com"),
        *("a..b@corp.com", ".a@corp.com", "a.@corp.com", "-a@corp.com", "m%evil.com@corp.com", "evil.com!m@corp.com"),
        *("a|b@corp.com", "[a]@corp.com", "ﬁ@corp.com", "a\u3164@corp.com", "😀@corp.com", "\u0338a@corp.com"),
        *("a@☕.example", "a@xn--", "a@-b.example", "a@b_c.example", "a@" + "é" * 60 + ".example", "é" * 40 + "@b.c"),
    ],
)
def test_an_address_that_parsers_read_differently_is_refused_but_its_older_accounts_are_found(written: str) -> None:
    assert email_or_none(written) is None
    assert known_email(f" {written} ") in (written, None)


def test_an_account_of_an_older_version_is_found_under_its_address() -> None:
    assert known_email(" =?UTF-8?Q?A?=@Corp.com ") == "=?utf-8?q?a?=@corp.com"
    assert known_email("a..b@xn--bcher-kva.example") == "a..b@bücher.example"


@pytest.mark.parametrize(
    "written",
    [
        "ada(x)@example.com",
        '"ada"@example.com',
        "ada＠evil.com@corp.com",
        "a\u200bb@c.d",
        "a\u202eb@c.d",
        "a\ud800@b.c",
    ],
)
def test_comments_quotes_and_invisible_characters_are_no_part_of_an_address(written: str) -> None:
    assert email_or_none(written) is None


@pytest.mark.parametrize("written", ["corp.com", "CORP.com", " corp.com", "corp.com."])
def test_spellings_of_one_domain_are_compared_as_equal(written: str) -> None:
    assert compared_domain(written) == "corp.com"
    assert compared_domain("BÜCHER.example.") == compared_domain("xn--bcher-kva.example")


@pytest.mark.parametrize("written", ["a" * 65 + "@example.com", "a@" + "b" * 253])
def test_an_email_address_longer_than_the_standard_allows_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput):
        normal_email(written)


@given(st.text(max_size=40))
def test_normalizing_an_email_address_twice_changes_nothing(text: str) -> None:
    try:
        normal = normal_email(text)
    except InvalidInput:
        return

    assert normal_email(normal) == normal


def _touched(_text: str, *_args: Any) -> Any:
    raise AssertionError("the text was worked on before its length was checked")


METHODS = ("strip", "lower", "split", "rpartition", "partition", "startswith", "encode")
Untouched = type("Untouched", (str,), dict.fromkeys(METHODS, _touched))  # Only the length of such a text may be read.


@pytest.mark.parametrize("read", [email_or_none, known_email, phone_or_none])
def test_a_text_of_any_length_costs_nothing_before_its_length_is_checked(read: Callable[[str], Any]) -> None:
    """A sign-in reads the account before it counts the attempt, so a stranger chooses this text without a limit."""
    read(Untouched("a@xn--" + "9" * MAX_SENT))


def test_a_label_that_is_too_long_for_a_domain_is_not_decoded() -> None:
    label = "xn--" + "".join(chr(0x4E00 + 97 * n) for n in range(40)).encode("punycode").decode()

    assert 63 < len(label) < 200
    assert known_email(f"a@{label}") == f"a@{label}".lower()
