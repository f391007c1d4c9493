"""The parts of a page on which a person signs in by another service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bunbase.pkg.web_pages.forms import button, field, form, hidden
from bunbase.pkg.web_pages.layout import link, paragraph

CODE_ASKED: Final = "This account has a second factor. Type a code of your authenticator app, or a recovery code."


def service_links(services: Sequence[tuple[str, str]]) -> str:
    """Return the links that lead to other services. `services`: their names and addresses. "" if there are none."""
    return "\n".join(link(url, f"Sign in with {name}") for name, url in services)


def code_form(path: str, fields: Sequence[tuple[str, str]]) -> str:
    """Return the form that asks for the second factor of a sign-in. `fields`: names and values of hidden fields."""
    typed = field("code", "Code", "one-time-code", spellcheck="false", maxlength="40")
    parts = (*(hidden(name, value) for name, value in fields), typed, button("Continue"))
    return paragraph(CODE_ASKED) + "\n" + form(path, *parts)
