"""`/v1/functions/{name}[/{path}]`: calls of functions."""

from __future__ import annotations

from functools import partial
from typing import Any, Final
from urllib.parse import quote

from litestar import HttpMethod, Request, route

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.invocations import Invocation
from bunbase.contracts.functions.problems import UpgradeNotSupported
from bunbase.contracts.functions.service import Functions
from bunbase.functions.routes.answer import FunctionAnswer
from bunbase.functions.routes.path_parameters import FunctionName
from bunbase.functions.routes.request_body import RequestBody
from bunbase.pkg.http import HOST_SLUG, IdempotencyKey, Injected
from bunbase.pkg.openapi import answers

ROOT: Final = "/v1/functions/"
METHODS: Final = [
    HttpMethod.GET,
    HttpMethod.POST,
    HttpMethod.PUT,
    HttpMethod.PATCH,
    HttpMethod.DELETE,
    HttpMethod.OPTIONS,
    HttpMethod.HEAD,
]


@route(
    ["/v1/functions/{name:str}", "/v1/functions/{name:str}/{path:path}"],
    http_method=METHODS,
    status_code=200,
    summary="Call a function",
    tags=["Functions"],
    responses={200: answers(Any, "The function's answer. It may have any status and content type.", "*/*")},
)
async def call_function(
    visitor: Injected[Caller],
    functions: Injected[Functions],
    request: Request[Any, Any, Any],
    name: FunctionName,
    idempotency_key: IdempotencyKey = None,
) -> FunctionAnswer:
    """Runs the active version of the function and returns the function's answer."""
    headers = tuple((key.decode("latin-1"), value.decode("latin-1")) for key, value in request.scope["headers"])
    _refuse_upgrade(headers)
    body = RequestBody(request, partial(functions.feed, visitor))
    await body.begin(request)
    invocation = Invocation(
        request.method,
        _path_below(request.scope),
        headers,
        body.beginning,
        body.more,
        body.length,
        own_host=HOST_SLUG in request.scope["state"],
    )
    return FunctionAnswer(functions.invoke(visitor, name, invocation), body)


def _refuse_upgrade(headers: tuple[tuple[str, str], ...]) -> None:
    """Refuse a WebSocket, because functions cannot accept one. Raises: UpgradeNotSupported.

    An ordinary answer would not help: the client waits for status 101.
    """
    if any(name == "upgrade" and "websocket" in value.lower() for name, value in headers):
        raise UpgradeNotSupported(
            "Functions have no WebSockets. Stream server-sent events (text/event-stream) instead."
        )


def _path_below(scope: Any) -> str:
    """Return the path after the function's name, and the query. Escapes stay as the client sent them."""
    sent: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    path = sent.decode("latin-1").partition("?")[0].removeprefix(ROOT)
    below = path.partition("/")[1:]
    query = scope["query_string"].decode("latin-1")
    return ("".join(below) or "/") + (f"?{query}" if query else "")


ROUTES = (call_function,)
