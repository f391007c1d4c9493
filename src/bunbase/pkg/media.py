"""The Content-Type of request bodies: one rule for every route that reads JSON, in both lanes of the gateway.

A web page must send the type. A browser sends a body without a type to any site without a preflight request (Fetch
§3.2.5 requires one only for types that a form cannot send), so a foreign page could make a user's browser write here.
Programs other than browsers may leave the type out.
"""

from __future__ import annotations

from typing import Final

from bunbase.pkg.errors import UnsupportedMedia

JSON: Final = "application/json"
UTF_8: Final = ("", "charset=utf-8", 'charset="utf-8"')


def check_json(sent: str, from_page: bool, accepted: tuple[str, ...] = (JSON,)) -> None:
    """Check the Content-Type of a JSON body. `from_page`: the request has an Origin header.

    Raises: UnsupportedMedia.
    """
    sent = sent.lower()
    if sent in accepted:
        return
    media, _, parameters = (part.strip() for part in sent.partition(";"))
    named = media in accepted or not (media or from_page)
    if not named or parameters not in UTF_8:
        raise UnsupportedMedia(f"Send the body in UTF-8 with Content-Type: {' or '.join(accepted)}.")
