"""Bodies are JSON unless a route says otherwise; what calls itself something else is refused, not guessed at."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.params import BodyKwarg

from bunbase.pkg.errors import UnsupportedMedia


async def check_media(request: Request[Any, Any, Any]) -> None:
    """Let a body through that says it is what the route reads, or says nothing. Raises: UnsupportedMedia."""
    body = request.route_handler.parsed_data_field
    if body is None:
        return
    kind = body.kwarg_definition
    expected = kind.media_type if isinstance(kind, BodyKwarg) else RequestEncodingType.JSON
    if request.content_type[0].lower() not in (expected, ""):
        raise UnsupportedMedia(f"Send the body as {str.__str__(expected)}.")
