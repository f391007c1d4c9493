"""The OpenAPI document of all routes: where it is, and what it says of failures."""

from __future__ import annotations

from copy import copy
from typing import Any, Final

from litestar import Request, Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.routes import BaseRoute

from bunbase import __version__
from bunbase.gateway.examples import with_examples

NOT_FOUND_PATH: Final = "/{path:str}"
PROBLEM_JSON: Final = "application/problem+json"
PROBLEM: Final = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable: decide by it."},
        "detail": {"type": "string", "description": "The next step for the caller."},
        "request_id": {"type": "string"},
    },
    "additionalProperties": True,
}
FAILURE: Final = {
    "description": "The errors of the API; all codes are in docs/reference/errors.md.",
    "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class Document(JsonRenderPlugin):
    """The document as it is served."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return super().render(request, completed(openapi_schema))


OPENAPI: Final = OpenAPIConfig(
    title="BunBase",
    version=__version__,
    description="Errors are `application/problem+json` (RFC 9457) with a stable `code`.",
    path="/api",
    render_plugins=[Document(path="/openapi.json")],
    use_handler_docstrings=True,
)


def openapi() -> OpenAPIConfig:
    """Return the configuration for one app; its router cannot be shared."""
    config = copy(OPENAPI)
    config.openapi_router = DocumentOnly("/api", route_handlers=[], include_in_schema=False)
    return config


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """Add what Litestar does not know to its document, in place: the failures of each operation, and examples."""
    return with_examples(with_problems(document))


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Describe the failure of each operation as a Problem, in place of Litestar's own 400."""
    for methods in document["paths"].values():
        for operation in methods.values():
            answers = operation["responses"]
            if PROBLEM_JSON not in answers.get("400", FAILURE)["content"]:
                del answers["400"]
            answers["default"] = FAILURE
    document["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    return document


class DocumentOnly(Router):
    """Where the document is, without the page in HTML that Litestar adds for all other addresses beside it."""

    def register(self, value: Any) -> list[BaseRoute]:
        return [] if NOT_FOUND_PATH in value.paths else super().register(value)
