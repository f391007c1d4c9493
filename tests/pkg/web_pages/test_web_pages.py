from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from bunbase.pkg.errors import Malformed, UnsupportedMedia
from bunbase.pkg.qr import qr_svg
from bunbase.pkg.web_pages.copying import SCRIPT_HASH, KeepTexts, kept_list
from bunbase.pkg.web_pages.forms import FORM_TYPE, button, field, form, hidden, read_form
from bunbase.pkg.web_pages.layout import (
    POLICY,
    alert,
    allow,
    button_link,
    code,
    divider,
    ending,
    facts,
    link,
    page,
    paragraph,
    small,
    with_accent,
)
from bunbase.pkg.web_pages.serving import html

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
        button_link(HOSTILE, HOSTILE),
        divider(HOSTILE),
        ending(HOSTILE, HOSTILE, HOSTILE),
        field("name", HOSTILE, "off", wrong=True, hint=HOSTILE),
    )

    html = page(HOSTILE, HOSTILE, *parts, language=HOSTILE, accent=HOSTILE)

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


def test_a_field_that_was_wrong_gets_the_focus_and_names_its_alert_and_its_hint() -> None:
    html = field("password", "Password", "new-password", wrong=True, hint="At least 8 characters.")

    assert 'aria-describedby="alert password-hint" aria-invalid="true" required autofocus>' in html
    assert '<p class="small" id="password-hint">' in html
    assert "aria-" not in field("password", "Password", "new-password")


@pytest.mark.parametrize(
    ("accent", "text"),
    [
        ("#000000", "#ffffff"),
        ("#ffffff", "#000000"),
        ("#1d4fd7", "#ffffff"),
        ("#ffcc00", "#000000"),
        ("#777777", "#000000"),
    ],
    ids=range(5),
)
def test_the_text_of_a_coloured_button_can_be_read(accent: str, text: str) -> None:
    html = page("Notes", "Sign in", accent=accent)

    assert f"--button: {accent}; --on-button: {text};" in html
    assert with_accent(POLICY, html) != with_accent(POLICY, page("Notes", "Sign in")) == POLICY


@pytest.mark.parametrize(
    ("accent", "schemes"), [("#b3541e", ["light"]), ("#ffcc00", ["dark"]), ("#1d4fd7", ["light"]), ("#777777", [])]
)
def test_links_have_the_colour_of_the_app_only_where_it_can_be_read(accent: str, schemes: list[str]) -> None:
    html = page("Notes", "Sign in", accent=accent)

    assert re.findall(rf"scheme: (\w+)\) {{ :root {{ --accent: {accent}; }} }}", html) == schemes


def test_a_page_with_a_list_to_keep_runs_only_the_script_that_copies_it() -> None:
    kept = kept_list(["ab-cd", "ef&gh"], "Codes of <Notes>", "codes.txt", KeepTexts("Download", "Copy", "Done", "No"))
    answer = html(page("Notes", "Keep", kept))
    address = re.search(r'download="codes.txt" href="data:text/plain;charset=utf-8,([^"]+)"', kept)

    assert address is not None
    assert unquote(address[1]) == "Codes of <Notes>\n\nab-cd\nef&gh\n"
    assert "<li>ef&amp;gh</li>" in kept
    assert f"script-src 'sha256-{SCRIPT_HASH}'" in answer.headers["content-security-policy"]
    assert "script-src" not in html(page("Notes", "Keep")).headers["content-security-policy"]


def test_a_qr_code_is_an_image_of_the_page_without_inline_style() -> None:
    drawn = qr_svg("otpauth://totp/Notes:eve?secret=ABCD", HOSTILE)

    assert drawn.startswith('<div class="qr" role="img" aria-label="&quot;')
    assert (HOSTILE in drawn, "style=" in drawn, drawn.count("<svg")) == (False, False, 1)


def test_a_policy_is_widened_only_where_it_is_said() -> None:
    policy = allow(allow(POLICY, "form-action", "https://app.example"), "script-src", "https://captcha.example")

    assert "form-action 'self' https://app.example;" in policy
    assert policy.endswith("; script-src https://captcha.example")
    assert allow(policy, "script-src", "https://captcha.example") == policy
    assert "default-src 'none'" in policy
