from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.pkg.mail import templates
from bunbase.pkg.mail.composing import compose, harmless, in_words
from bunbase.pkg.mail.letters import Letter
from bunbase.pkg.mail.templates import MEMBER_INVITE, NEW_SIGN_IN, PASSWORD_RESET, SIGN_IN_CODE, TEMPLATES, Template

URL = "https://bunbase.test/invite?token=inv_abc&x=1"
FIELDS = {
    "app": "BunBase",
    "email": "ada@example.com",
    "new_email": "ada@new.example.com",
    "inviter": "Bob",
    "inviter_email": "bob@example.com",
    "kind": "project",
    "target": "Bakery",
    "role": "developer",
    "factor": "authenticator app",
    "left": "9",
    "service": "Example",
    "at": "29 November 2026, 15:04 UTC",
    "agent": "Mozilla/5.0 (X11; Linux x86_64)",
    "ip": "203.0.113.9",
    "valid_for": "24 hours",
}
MARKUP = ["script", "img", "iframe", "form", "input", "object", "link"]


class Page(HTMLParser):
    """Collects the elements, links and visible text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.links: list[str | None] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def filled(template: Template, **others: str) -> Letter:
    fields = {name: value for name, value in FIELDS.items() if name in template.needs()}
    fields |= {"url": URL} if template.button else {}
    fields |= {"code": "482913"} if "code" in template.fields else {}
    return compose(template, "ada@example.com", {**fields, **others}, "prj_bakery")


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))
def test_every_template_says_the_same_in_text_and_html(template: Template) -> None:
    letter = filled(template)
    page = Page(letter.html)

    assert "$" not in letter.subject + letter.text + letter.html
    assert (letter.kind, letter.project, letter.notice) == (template.kind, "prj_bakery", template.notice)
    words = " ".join(page.text.split())
    for paragraph in letter.text.split("\n\n"):
        line = paragraph.strip().replace(":\n", " ").split(" http")[0]
        assert line in words
    assert set(page.links) <= {URL}
    assert (URL in letter.text) == bool(template.button) == (URL in page.links)
    assert not set(page.elements) & set(MARKUP)
    assert page.elements.count("h1") == 1


def test_every_template_is_in_the_list_of_templates() -> None:
    made = [one for one in vars(templates).values() if isinstance(one, Template)]

    assert {one.kind for one in made} == set(TEMPLATES)
    assert len(made) == len(TEMPLATES)


def test_a_code_stands_alone_on_its_line_and_the_link_is_copied_easily() -> None:
    assert "\n482913\n" in filled(SIGN_IN_CODE).text
    assert f"\n{URL}\n" in filled(PASSWORD_RESET).text


@pytest.mark.parametrize(
    ("agent", "shown_as"),
    [
        ("Mozilla/5.0 Chrome/131.0.0.0", "Mozilla/5.0 Chrome/131.0.0.0"),
        ("bunbase-cli/0.1.0 (ada.local)", "bunbase-cli/0.1.0 (ada. local)"),
        ("https://evil.com 1.evil.com", "https: //evil. com 1. evil. com"),
    ],
)
def test_a_program_keeps_its_version_but_never_becomes_a_link(agent: str, shown_as: str) -> None:
    fields = {"app": "BunBase", "email": "ada@example.com", "at": "now", "ip": "203.0.113.9", "agent": agent}

    assert f"Program: {shown_as}" in compose(NEW_SIGN_IN, "ada@example.com", fields).text


@pytest.mark.parametrize(
    ("name", "shown_as"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("Zoë 😀 O'Neil-Ünal", "Zoë 😀 O'Neil-Ünal"),
        ("https://evil.com/win", "https: //evil. com/win"),
        ("www.evil.com", "www. evil. com"),
        ("evil。com", "evil。 com"),
        ("mailto:eve@evil.com", "mailto: eve@evil. com"),
        ("Ada\r\nBcc: eve", "Ada Bcc: eve"),
        ("Ada\u202egnp.exe\u200b\x00", "Adagnp. exe"),
        ("a" * 500, "a" * 119 + "…"),
        ("  Ada \n\n Lovelace  ", "Ada Lovelace"),
        ("$email ${app}", "$email ${app}"),
    ],
)
def test_a_name_never_becomes_a_link(name: str, shown_as: str) -> None:
    assert harmless(name) == shown_as
    assert shown_as in filled(MEMBER_INVITE, inviter=name).text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (90, "90 seconds"),
        (600, "10 minutes"),
        (3600, "1 hour"),
        (5400, "90 minutes"),
        (86_400, "1 day"),
        (604_800, "7 days"),
    ],
)
def test_durations_are_words(seconds: int, words: str) -> None:
    assert in_words(seconds) == words


def test_markup_in_a_name_is_text() -> None:
    name = '<a href="https://evil.com">Click</a><script>alert(1)</script>"\''

    page = Page(filled(MEMBER_INVITE, inviter=name, target="</title><h1>You have won</h1>").html)

    assert set(page.links) == {URL}
    assert page.elements.count("h1") == 1
    assert "script" not in page.elements
    assert "<script>alert(1)</script>" in page.text


@given(st.text(max_size=200))
def test_no_field_adds_a_header_a_paragraph_or_a_link(value: str) -> None:
    letter, usual = filled(MEMBER_INVITE, inviter=value or "Bob"), filled(MEMBER_INVITE)

    assert len(letter.subject.splitlines()) == 1
    assert len(letter.text.splitlines()) == len(usual.text.splitlines())
    assert Page(letter.html).elements == Page(usual.html).elements


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "/invite",
        "https://",
        "https://bunbase.test/a b",
        'https://bunbase.test/"',
        "https://bunbase.test/\n",
        "https://bunbase.test/" + "x" * 2000,
    ],
)
def test_a_link_must_be_a_complete_address(url: str) -> None:
    with pytest.raises(ValueError, match=r"needs more fields: url|the link of a mail"):
        filled(PASSWORD_RESET, url=url)


def test_the_host_of_a_link_may_be_in_unicode() -> None:
    assert (
        "https://bücher.example/reset?token=x"
        in filled(PASSWORD_RESET, url="https://bücher.example/reset?token=x").text
    )


def test_a_missing_field_is_a_bug_of_the_room() -> None:
    with pytest.raises(ValueError, match="member_invite needs more fields: inviter_email, role"):
        compose(MEMBER_INVITE, "ada@example.com", {**FIELDS, "url": URL, "inviter_email": "", "role": ""})


def test_a_mail_has_the_colour_of_the_app_where_its_texts_can_be_read() -> None:
    def html(accent: str) -> str:
        return compose(PASSWORD_RESET, "ada@example.com", {**FIELDS, "url": URL}, accent=accent).html

    yellow, brown = html("#ffcc00"), html("#b3541e")

    assert "background:#ffcc00;color:#000000" in yellow
    assert 'style="color:#1d4fd7;overflow-wrap' in yellow, "yellow links on white could not be read"
    assert ".address { color: #ffcc00 !important; }" in yellow, "but they can on the dark card"
    assert "background:#b3541e;color:#ffffff" in brown
    assert 'style="color:#b3541e;overflow-wrap' in brown
    assert html("red;} body{display:none") == html("")
