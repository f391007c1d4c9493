"""Handlers that turn every exception into an answer of problem+json (RFC 9457).

A Problem is sent unchanged. An exception of Litestar becomes the matching Problem. Any other exception is a bug: it is
logged, and the caller only sees its request id.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.enums import ParamType
from litestar.exceptions import (
    ClientException,
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotAuthorizedException,
    NotFoundException,
    SerializationException,
    ValidationException,
)

from bunbase.gateway.methods import allowed
from bunbase.gateway.project_hosts import FUNCTIONS
from bunbase.pkg import context
from bunbase.pkg.errors import (
    ClientGone,
    Internal,
    InvalidInput,
    Malformed,
    MethodNotAllowed,
    NotFound,
    Problem,
    TooLarge,
    Unauthenticated,
    Unreachable,
    UnsupportedMedia,
)
from bunbase.pkg.logger import logger
from bunbase.pkg.plain_messages import plain, sentence

log = logger("gateway")

RETRY_SECONDS: Final = 2  # A process waits this long for a connection to another process.
NO_BODY: Final = "'data'"  # Litestar has this message for a missing body.
LEFT: Final = "client disconnected prematurely"  # Litestar has this message when a client leaves before its body ends.
MEDIA_TYPE: Final = "application/problem+json"


def problem_response(problem: Problem) -> Response[bytes]:
    body = msgspec.json.encode(problem.body(context.request_id.get()))
    return Response(body, status_code=problem.status, headers=problem.headers(), media_type=MEDIA_TYPE)


def on_problem(_request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    return problem_response(for_the_public(problem))


def for_the_public(problem: Problem) -> Problem:
    """Return the problem without internal details. Only the log names the room, host or port that is unreachable."""
    if not isinstance(problem, Unreachable):
        return problem
    log.error("a needed service did not answer", reason=problem.detail, request_id=context.request_id.get())
    return Unreachable("A part of this server cannot be reached: try again.", retry_after_seconds=RETRY_SECONDS)


def on_refusal(request: Request[Any, Any, Any], refusal: HTTPException) -> Response[bytes]:
    response = problem_response(_translated(request, refusal))
    if methods := _allowed(request, refusal):
        response.headers["allow"] = ", ".join(methods)
    return response


def on_bug(request: Request[Any, Any, Any], bug: Exception) -> Response[bytes]:
    return problem_response(bug_problem(bug, request.method, request.scope["path"], context.request_id.get()))


def bug_problem(bug: Exception, method: str, path: str, request_id: str) -> Problem:
    """Log the bug, and return the Problem that the caller sees."""
    log.error("a request failed unexpectedly", method=method, path=path, request_id=request_id, exc_info=bug)
    return Internal(f"Report this error with the request id {request_id}.")


def on_unreadable(_request: Request[Any, Any, Any], _error: Exception) -> Response[bytes]:
    return problem_response(unreadable_problem())


def unreadable_problem() -> Problem:
    """Return the Problem for UnicodeDecodeError (bytes that are not UTF-8) and RecursionError (too deep nesting)."""
    return Malformed("The body is not JSON in UTF-8, or it is nested too deeply.")


HANDLERS: Final[dict[Any, Any]] = {
    Problem: on_problem,
    HTTPException: on_refusal,
    UnicodeDecodeError: on_unreadable,
    RecursionError: on_unreadable,
    Exception: on_bug,
}


def _translated(request: Request[Any, Any, Any], refusal: HTTPException) -> Problem:
    match refusal:
        case NotFoundException():
            return NotFound(f"There is no route {request.scope['path']}; /api/openapi.json lists all routes.")
        case MethodNotAllowedException():
            answered = f"The route {request.scope['path']} does not support {request.method}"
            return MethodNotAllowed(f"{answered}; it supports {', '.join(_allowed(request, refusal))}.")
        case NotAuthorizedException():
            return Unauthenticated(refusal.detail)
        case ValidationException():
            return _invalid(refusal)
        case SerializationException():
            return Malformed("The body is not valid JSON.")
        case ClientException(status_code=413):
            return TooLarge(_too_large(request))
        case ClientException(status_code=415):
            return UnsupportedMedia(refusal.detail)
        case ClientException():
            return Malformed(refusal.detail or "The request could not be read.")
        case InternalServerException(detail=detail) if detail == LEFT:
            return ClientGone("The client closed the connection before it had sent the whole request.")
        case _:
            log.error("an unforeseen refusal", status=refusal.status_code, exc_info=refusal)
            return Internal(f"Report this error with the request id {context.request_id.get()}.")


def _allowed(request: Request[Any, Any, Any], refusal: HTTPException) -> list[str]:
    """Return the methods that the path of a refused request supports, sorted.

    If the refusal names none, return none.
    """
    named = (refusal.headers or {}).get("allow")
    if not named:
        return []
    methods = named.split(", ")
    return sorted(methods) if request.scope["path"].startswith(f"{FUNCTIONS}/") else allowed(methods)


def _too_large(request: Request[Any, Any, Any]) -> str:
    limit = request.route_handler.resolve_request_max_body_size()
    return f"Send at most {limit:,} bytes." if limit else "The body is larger than this route accepts."


def _invalid(refusal: ValidationException) -> Problem:
    """Return InvalidInput with the path and the message of each invalid value."""
    listed = refusal.extra if isinstance(refusal.extra, list) else []
    errors = [
        {"path": _place(one), "message": sentence(plain(str(one.get("message", ""))))}
        for one in listed
        if isinstance(one, dict)
    ]
    if not errors:
        return InvalidInput(refusal.detail)
    first = errors[0]
    if first["message"].startswith(NO_BODY):
        return Malformed("The body is empty: send a JSON value.")
    return InvalidInput(f"{first['path']}: {first['message']}", errors=errors)


def _place(error: dict[str, Any]) -> str:
    """Return a JSON Pointer for a value in the body, or the name of a parameter or header."""
    key, source = str(error.get("key", "")), error.get("source")
    if isinstance(source, ParamType):
        return key
    return "/" + key.removeprefix("data").lstrip(".").replace(".", "/")
