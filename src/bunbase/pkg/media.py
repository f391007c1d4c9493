"""The types of bodies: one rule for every route that reads JSON, in both lanes of the gateway.

A page must name the type: a browser sends a body without one anywhere, without asking first (Fetch §3.2.5 asks only for
types that a form cannot have). Programs that are no browser may leave it out.
"""

from __future__ import annotations

from typing import Final

from bunbase.pkg.errors import UnsupportedMedia

JSON: Final = "application/json"
UTF_8: Final = ("", "charset=utf-8", 'charset="utf-8"')


def check_json(sent: str, from_page: bool, accepted: tuple[str, ...] = (JSON,)) -> None:
    """Check the Content-Type of a body that is JSON. `from_page`: the request has an Origin.

    Raises: UnsupportedMedia.
    """
    sent = sent.lower()
    if sent in accepted:
        return
    media, _, parameters = (part.strip() for part in sent.partition(";"))
    named = media in accepted or not (media or from_page)
    if not named or parameters not in UTF_8:
        raise UnsupportedMedia(f"Send the body in UTF-8 with Content-Type: {' or '.join(accepted)}.")
