"""The OpenAPI document of all routes, served at /api/openapi.json. It describes every failure as a Problem."""

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
        "code": {"type": "string", "description": "The stable code of this error. Programs should compare this field."},
        "detail": {"type": "string", "description": "A sentence for people: what is wrong, and what to do next."},
        "request_id": {"type": "string"},
    },
    "additionalProperties": True,
}
FAILURE: Final = {
    "description": "The request failed. All error codes are listed in docs/reference/errors.md.",
    "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class Document(JsonRenderPlugin):
    """Renders the OpenAPI document as JSON, with examples and failures added."""

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
    """Return a new configuration for one app, because two apps cannot share its router."""
    config = copy(OPENAPI)
    config.openapi_router = DocumentOnly("/api", route_handlers=[], include_in_schema=False)
    return config


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document after adding the failures of each operation and the examples, in place."""
    return with_examples(with_problems(document))


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document after replacing Litestar's own 400 answers by the schema of a Problem, in place."""
    for methods in document["paths"].values():
        for operation in methods.values():
            answers = operation["responses"]
            if PROBLEM_JSON not in answers.get("400", FAILURE)["content"]:
                del answers["400"]
            answers["default"] = FAILURE
    document["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    return document


class DocumentOnly(Router):
    """The router that serves only the document. It leaves out Litestar's HTML page for unknown paths below /api."""

    def register(self, value: Any) -> list[BaseRoute]:
        return [] if NOT_FOUND_PATH in value.paths else super().register(value)
