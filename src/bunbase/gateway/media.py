"""Bodies are JSON unless a route says otherwise; what calls itself something else is refused, not guessed at.

A page must name the type: a browser sends a body without one anywhere, without asking first (Fetch §3.2.5 asks only for
types that a form cannot have). Programs that are no browser may leave it out.
"""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.params import BodyKwarg

from bunbase.pkg.errors import UnsupportedMedia


async def check_media(request: Request[Any, Any, Any]) -> None:
    """Let a body through that says it is what the route reads; without an Origin, also one that says nothing.

    Raises: UnsupportedMedia.
    """
    body = request.route_handler.parsed_data_field
    if body is None:
        return
    kind = body.kwarg_definition
    expected = kind.media_type if isinstance(kind, BodyKwarg) else RequestEncodingType.JSON
    check_type(request, str.__str__(expected))


def check_type(request: Request[Any, Any, Any], expected: str) -> None:
    """Raises: UnsupportedMedia."""
    sent = request.content_type[0].lower()
    if sent != expected and (sent or "origin" in request.headers):
        raise UnsupportedMedia(f"Send the body as {expected}.")
