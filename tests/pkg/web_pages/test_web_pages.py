from __future__ import annotations

import pytest

from bunbase.pkg.errors import Malformed, UnsupportedMedia
from bunbase.pkg.web_pages.forms import FORM_TYPE, button, field, form, hidden, read_form
from bunbase.pkg.web_pages.layout import alert, code, facts, link, page, paragraph, small

HOSTILE = "\"'><script>alert(1)</script>"


def test_no_text_becomes_markup() -> None:
    parts = (
        paragraph(HOSTILE),
        small(HOSTILE),
        alert(HOSTILE),
        link(HOSTILE, HOSTILE),
        facts((HOSTILE, HOSTILE)),
        code(HOSTILE),
        form(HOSTILE, field(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE), hidden(HOSTILE, HOSTILE)),
        button(HOSTILE, HOSTILE, HOSTILE),
    )

    html = page(HOSTILE, HOSTILE, *parts, language=HOSTILE)

    assert "<script" not in html
    assert HOSTILE not in html
    assert "'>" not in html.partition("</style>")[2]


def test_a_page_names_its_app_and_its_language() -> None:
    html = page("Notes", "Anmelden", paragraph("Willkommen"), language="de")

    assert '<html lang="de">' in html
    assert "<title>Anmelden · Notes</title>" in html


@pytest.mark.parametrize("body", [b"a=1&a=2", b"\xff=1", b"&".join(b"f%d=" % n for n in range(21))])
def test_a_form_that_two_readers_could_understand_differently_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_form(FORM_TYPE, body)


def test_only_forms_are_read_as_forms() -> None:
    assert read_form(f"{FORM_TYPE}; charset=utf-8", b"a=1&b=") == {"a": "1", "b": ""}
    with pytest.raises(UnsupportedMedia):
        read_form("application/json", b"a=1")
