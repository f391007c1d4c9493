"""Answers of a sign-in provider that arrive as a form (OAuth 2.0 Form Post Response Mode), such as the answers of
Apple.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from bunbase.pkg.web_pages.forms import read_form

MAX_LENGTH: Final = 2048
ANSWERED: Final = ("state", "code", "iss", "error")


def repeated_answer(path: str, content_type: str, body: bytes) -> str:
    """Return the URL on this server at which the browser repeats the answer. Raises: UnsupportedMedia, Malformed.

    The form comes from a page of the provider, so the browser has sent no cookie with it (SameSite). The browser sends
    the cookie when it follows a redirect.
    """
    form = read_form(content_type, body)
    sent: dict[str, str] = {name: form[name][:MAX_LENGTH] for name in ANSWERED if name in form}
    return f"{path}?{urlencode(sent)}"
