"""The check of the Content-Type of JSON bodies, for all routes and both lanes of the gateway (ARCHITECTURE.md).

Web pages must send the Content-Type. Without this rule, a foreign page could use a user's browser to write here,
because a browser sends a body without a Content-Type to any site, without a preflight request. The Fetch standard
(§3.2.5) requires a preflight only for types that a form cannot send. Programs other than browsers may leave out the
Content-Type.
"""

from __future__ import annotations

from typing import Final

from bunbase.pkg.errors import UnsupportedMedia

JSON: Final = "application/json"
UTF_8: Final = ("", "charset=utf-8", 'charset="utf-8"')


def check_json(sent: str, from_page: bool, accepted: tuple[str, ...] = (JSON,)) -> None:
    """Check the Content-Type of a JSON body. `from_page`: True if the request has an Origin header.

    Raises: UnsupportedMedia.
    """
    sent = sent.lower()
    if sent in accepted:
        return
    media, _, parameters = (part.strip() for part in sent.partition(";"))
    named = media in accepted or not (media or from_page)
    if not named or parameters not in UTF_8:
        raise UnsupportedMedia(f"Send the body in UTF-8 with Content-Type: {' or '.join(accepted)}.")
