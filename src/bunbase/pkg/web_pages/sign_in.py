"""The parts of a page on which a person signs in by another service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from bunbase.pkg.web_pages.forms import button, field, form, hidden
from bunbase.pkg.web_pages.layout import link, paragraph

CODE_ASKED: Final = "This account has a second factor. Type a code of your authenticator app, or a recovery code."


def service_links(services: Sequence[tuple[str, str]]) -> str:
    """Return the links to other services, or "" if there are none. `services`: the names and URLs of the services."""
    return "\n".join(link(url, f"Sign in with {name}") for name, url in services)


class CodeTexts(msgspec.Struct, frozen=True):
    """The texts of the form that asks for a code."""

    asked: str = CODE_ASKED
    label: str = "Code"
    button: str = "Continue"


ENGLISH: Final = CodeTexts()


def code_form(path: str, fields: Sequence[tuple[str, str]], texts: CodeTexts = ENGLISH, wrong: bool = False) -> str:
    """Return the form that asks for the second factor of a sign-in. `fields`: the names and values of hidden fields.

    `wrong`: true if the last code was refused; the alert of the page describes the reason.
    """
    typed = field("code", texts.label, "one-time-code", wrong=wrong, spellcheck="false", maxlength="40")
    parts = (*(hidden(name, value) for name, value in fields), typed, button(texts.button))
    return paragraph(texts.asked) + "\n" + form(path, *parts)
