from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.pkg.addresses import normal_email
from bunbase.pkg.errors import InvalidInput


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
    """Auth, arguable: `<input type="email">` sends the encoded form in some browsers only."""
    assert normal_email(written) == "u@bücher.example"


@pytest.mark.parametrize(
    "label", ["xn--abc-", "xn--", "xn--a", "xn--99999999", "xn--BCHER-KVA9", "xn--xn---epa", "xn--u-ccb"]
)
def test_an_encoded_label_that_is_not_the_encoding_of_its_text_stays(label: str) -> None:
    assert normal_email(f"a@{label}.example") == f"a@{label.lower()}.example"


@given(st.from_regex(r"xn--[a-z0-9-]{0,12}", fullmatch=True))
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
