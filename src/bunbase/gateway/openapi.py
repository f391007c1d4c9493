"""The OpenAPI document of all routes, served at /api/openapi.json.

The document describes every failure as a Problem.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import Method
from litestar.types.internal_types import PathParameterDefinition

from bunbase import __version__
from bunbase.gateway.cookie_mode import SIGN_INS
from bunbase.gateway.examples import with_examples
from bunbase.gateway.openapi_callers import COOKIES, SCHEMES, add_callers, describe_act, describe_project
from bunbase.gateway.openapi_links import add_links
from bunbase.gateway.openapi_types import components, plain, schema_of, without_null
from bunbase.gateway.route_acts import act_of
from bunbase.pkg.errors import CODES
from bunbase.pkg.openapi import DescribedBody

NOT_FOUND_PATH: Final = "/{path:str}"
DOCUMENTS: Final = ("/v1/data", "/v1/commit")
IMPORTS: Final = ("/v1/import", "/api/projects/{project}/import")
PROBLEM_JSON: Final = "application/problem+json"
PROBLEM: Final = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {
            "type": "string",
            "description": "The stable code of this error: a ProblemCode, or a code that a newer server has added. "
            "Programs should compare this field.",
        },
        "detail": {"type": "string", "description": "A sentence for people: what is wrong, and what to do next."},
        "request_id": {"type": "string"},
    },
    "additionalProperties": True,
}
PROBLEM_CONTENT: Final = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
FAILURE: Final = {
    "description": "The request failed. All error codes are listed in docs/reference/errors.md.",
    "content": PROBLEM_CONTENT,
}
ANY_FAILURE: Final = {"$ref": "#/components/responses/Problem"}


def problem_codes() -> dict[str, Any]:
    """Return the schema of all codes of this server.

    The member `code` of a Problem stays an open string. If a client parsed it as one of these values, its error
    handling would fail as soon as a newer server sends a new code.
    """
    codes = sorted(code for code, problem in CODES.items() if problem.__module__.startswith("bunbase."))
    described = "All error codes of this version, with their meaning in docs/reference/errors.md."
    return {"type": "string", "title": "ProblemCode", "description": described, "enum": codes}


REPLAYED_HEADER: Final = {
    "description": "An earlier request with the same Idempotency-Key got this answer; nothing was done again.",
    "schema": {"type": "string", "enum": ["true"]},
}
SEQ_HEADER: Final = {
    "description": "The state of the project after the write, as `<epoch>.<number>`: send it as X-Bunbase-At-Least.",
    "schema": {"type": "string", "pattern": r"^[0-9a-f]{1,32}\.[0-9]{1,18}$"},
}


class Document(JsonRenderPlugin):
    """Renders the OpenAPI document as JSON. The document is completed once for each app."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        state = request.app.state
        if "openapi" not in state:
            state["openapi"] = msgspec.json.encode(completed(request.app))
        rendered: bytes = state["openapi"]
        return rendered


def operation_id(handler: HTTPRouteHandler, method: Method, components: list[str | PathParameterDefinition]) -> str:
    """Return the handler's name as `camelCase`. A handler of several methods or paths has one id for each."""
    first, *others = handler.handler_name.split("_")
    name = first + "".join(word.title() for word in others)
    if len(handler.http_methods) == 1:
        return name
    below = "Path" if getattr(components[-1], "name", "") == "path" else ""
    return f"{name}{below}{method.title()}"


OPENAPI: Final = OpenAPIConfig(
    title="BunBase",
    version=__version__,
    description="Errors are `application/problem+json` (RFC 9457) with a stable `code`.",
    path="/api",
    render_plugins=[Document(path="/openapi.json")],
    use_handler_docstrings=True,
    operation_id_creator=operation_id,
)


def openapi() -> OpenAPIConfig:
    """Return a new configuration for one app, because two apps cannot share its router."""
    config = copy(OPENAPI)
    config.openapi_router = DocumentOnly("/api", route_handlers=[], include_in_schema=False)
    return config


def completed(app: Litestar) -> dict[str, Any]:
    """Return the document of an app: Litestar's document with types, callers, failures, links and examples."""
    document: dict[str, Any] = app.openapi_schema.to_schema()
    found = list(_operations(app, document))
    schemas = document["components"].setdefault("schemas", {})
    schemas |= components(handler for *_, handler in found) | {"Problem": PROBLEM, "ProblemCode": problem_codes()}
    failures = {"Problem": FAILURE}
    for method, path, operation, handler in found:
        _complete(operation, handler)
        if path in SIGN_INS and method == "POST":
            operation["parameters"] = [*operation.get("parameters", ()), COOKIES]
        act = act_of(method, path)
        if act is not None:
            describe_act(operation, act)
        _add_headers(operation, path)
        _add_failures(operation["responses"], failures)
    document["components"] |= {"responses": failures, "securitySchemes": SCHEMES}
    add_links(document)
    return with_examples(document)


def _operations(app: Litestar, document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], HTTPRouteHandler]]:
    """Yield method, path, operation and handler of each operation of the document."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                operation = document["paths"].get(route.path_format, {}).get(method.lower())
                if operation is not None and handler.resolve_include_in_schema():
                    yield method, route.path_format, operation, handler


def _complete(operation: dict[str, Any], handler: HTTPRouteHandler) -> None:
    if issubclass(handler.operation_class, DescribedBody):
        schema = schema_of(handler.operation_class.BODY)
        content = {media: {"schema": schema} for media in handler.operation_class.MEDIA}
        operation["requestBody"] = {"content": content, "required": True}
    elif "requestBody" in operation:
        _complete_body(operation["requestBody"])
    if not operation["deprecated"]:
        del operation["deprecated"]
    for parameter in operation.get("parameters", ()):
        _complete_parameter(parameter)
    add_callers(operation, handler)


def _complete_body(body: dict[str, Any]) -> None:
    """Describe a body that may be left out as optional, in place.

    Litestar describes such a body as one that may be null.
    """
    for media in body["content"].values():
        sent = without_null(media["schema"])
        body["required"] = sent == media["schema"]
        media["schema"] = sent


def _complete_parameter(parameter: dict[str, Any]) -> None:
    """Shorten the description of a parameter, in place: Litestar repeats parts of the description."""
    schema = plain(without_null(parameter["schema"]))
    parameter["schema"] = {name: value for name, value in schema.items() if name != "description"}
    # Litestar uses this word for any path.
    if parameter["in"] == "path" and parameter["schema"].get("format") == "uri":
        parameter["schema"] = {"type": "string"}
    for name in ("deprecated", "required", "allowEmptyValue", "allowReserved"):
        if not parameter.get(name):
            parameter.pop(name, None)
    describe_project(parameter)


def _add_headers(operation: dict[str, Any], path: str) -> None:
    """Describe the headers of the answers to writes, in place."""
    taken = {parameter["name"] for parameter in operation.get("parameters", ())}
    keyed = "Idempotency-Key" in taken
    added = {"Idempotency-Replayed": REPLAYED_HEADER} if keyed else {}
    if (keyed and path.startswith(DOCUMENTS)) or path in IMPORTS:
        added["X-Bunbase-Seq"] = SEQ_HEADER
    if not added:
        return
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            answer["headers"] = answer.get("headers", {}) | added


def _add_failures(answers: dict[str, Any], named: dict[str, Any]) -> None:
    """Describe each failure as a Problem, in place. Litestar's own 400 answer has another form and is left out.

    `named`: the answers that operations share. The failures of Bundoc have one description for each status.
    """
    content = answers.get("400", FAILURE)["content"]
    if PROBLEM_JSON not in content and not any("$ref" in media["schema"] for media in content.values()):
        del answers["400"]
    for status, answer in answers.items():
        if not answer.get("headers", True):
            del answer["headers"]
        if PROBLEM_JSON in answer.get("content", ()):
            name = f"Problem{status}"
            if named.setdefault(name, answer | {"content": PROBLEM_CONTENT})["description"] == answer["description"]:
                answers[status] = {"$ref": f"#/components/responses/{name}"}
            else:
                answer["content"] = PROBLEM_CONTENT
    answers["default"] = ANY_FAILURE


class DocumentOnly(Router):
    """The router that serves only the document.

    The router leaves out Litestar's HTML page for unknown paths below /api.
    """

    def register(self, value: Any) -> list[BaseRoute]:
        return [] if NOT_FOUND_PATH in value.paths else super().register(value)
