from __future__ import annotations

import pytest

from bunbase.pkg.errors import CannotStart
from bunbase.pkg.mail.senders import OwnSender, may_send_from, own_sender
from bunbase.pkg.mail.settings import MailSettings, check_mail


def test_a_sender_is_a_name_or_a_name_with_an_address() -> None:
    assert own_sender(" Bakery ", "a@b.example") == OwnSender("Bakery", "", "a@b.example")
    assert own_sender("Bakery <Post@bakery.example>", "") == OwnSender("Bakery", "post@bakery.example", "")
    assert own_sender("post@bakery.example", "") == OwnSender("", "post@bakery.example", "")
    assert own_sender("post@bücher.example", "").address == "post@xn--bcher-kva.example"
    assert own_sender('"Bakery, \\"Ltd.\\"" <post@bakery.example>', "").name == 'Bakery, "Ltd."'
    assert own_sender("", "") == OwnSender()


@pytest.mark.parametrize(
    "text",
    [
        "Bakery\r\nBcc: eve@example.com",
        "Bakery\n <post@bakery.example>",
        "post@",
        "Bakery <post>",
        "security＠bank.example",
        "service@bank.example <post@bakery.example>",
        "Bakery <=?utf-8?q?a?=@bakery.example>",
        "Bakers: post@bakery.example;",
        "post@bakery.example (Bakery)",
        "a@x.example, b@x.example",
        "Bank <service@bank.example> <post@bakery.example>",
        "Bäckerei <bäcker@bakery.example>",
    ],
)
def test_other_texts_and_second_lines_are_no_sender(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        own_sender(text, "")


def test_a_project_sends_only_from_domains_that_the_operator_allows_it() -> None:
    domains = ("bakery.example=prj_bakery", "open.example")

    assert may_send_from("a@bakery.example", "prj_bakery", domains)
    assert may_send_from("a@open.example", "prj_library", domains)
    for address, project in (
        ("a@bakery.example", "prj_library"),
        ("a@sub.open.example", "prj_library"),
        ("a@open.example.evil.example", "prj_library"),
        ("a@other.example", "prj_bakery"),
    ):
        assert not may_send_from(address, project, domains)


@pytest.mark.parametrize("entry", ["", "*", "a b.example", "Bakery.example", "bakery.example=", "=prj_1"])
def test_an_installation_does_not_start_with_a_wrong_domain(entry: str) -> None:
    with pytest.raises(CannotStart, match=r"mail\.sender_domains"):
        check_mail(MailSettings(sender_domains=(entry,)))
