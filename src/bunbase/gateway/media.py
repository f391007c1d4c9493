"""The check of Content-Type: a body must be JSON unless the route declares another type. Other types are refused."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.params import BodyKwarg

from bunbase.pkg.errors import UnsupportedMedia
from bunbase.pkg.media import check_json


async def check_media(request: Request[Any, Any, Any]) -> None:
    """Check the type of a body that a route takes as `data`.

    A route that takes the bytes of the body checks the type itself.

    Raises: UnsupportedMedia.
    """
    body = request.route_handler.parsed_data_field
    if body is None:
        return
    kind = body.kwarg_definition
    expected = kind.media_type if isinstance(kind, BodyKwarg) else RequestEncodingType.JSON
    if expected == RequestEncodingType.JSON:
        check_json_of(request)
        return
    sent = request.content_type[0].lower()
    if sent != expected and (sent or "origin" in request.headers):
        raise UnsupportedMedia(f"Send the body as {str.__str__(expected)}.")


def check_json_of(request: Request[Any, Any, Any]) -> None:
    """Check that the Content-Type of a request is JSON. Raises: UnsupportedMedia."""
    check_json(request.headers.get("content-type", ""), "origin" in request.headers)
