from __future__ import annotations

from typing import Any

import pytest
from litestar import Request
from litestar.routes import HTTPRoute

from bunbase.gateway.app import given
from bunbase.gateway.parameters import OPEN, check_parameters
from bunbase.gateway.settings import GatewaySettings
from bunbase.house.generate import CALLERS, OTHERS
from bunbase.house.modules import MODULES
from bunbase.pkg.errors import InvalidInput
from tests.gateway.shared_routing import shared_rooms_app


def requests(query: bytes) -> dict[tuple[str, str], Request[Any, Any, Any]]:
    """Return a request to each documented route."""
    names = (*CALLERS, *OTHERS, *(module.name for module in MODULES))
    routes = [route for module in MODULES for route in module.routes]
    app = shared_rooms_app(GatewaySettings(), routes, given(dict.fromkeys(names)))
    handlers = {
        (method, route.path_format): handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.resolve_include_in_schema()
        for method in handler.http_methods
    }
    return {(method, path): request_to(handler, method, path, query) for (method, path), handler in handlers.items()}


def request_to(handler: Any, method: str, path: str, query: bytes) -> Request[Any, Any, Any]:
    scope: Any = {
        "type": "http",
        "method": method,
        "path": path,
        "path_template": path,
        "path_params": {},
        "query_string": query,
        "headers": [],
        "route_handler": handler,
    }
    return Request(scope)


def refusal_of(request: Request[Any, Any, Any]) -> InvalidInput | None:
    try:
        check_parameters(request)
    except InvalidInput as refused:
        return refused
    return None


def test_every_route_of_the_api_refuses_an_unknown_parameter_and_says_which_ones_it_has() -> None:
    refusals = {
        (method, path): refusal_of(request)
        for (method, path), request in requests(b"dryrun=true&key=pk_x&project=prj_x").items()
        if path.startswith(("/api/", "/v1/auth/", "/v1/channels", "/v1/jobs"))
    }

    assert {path for (_, path), refused in refusals.items() if refused is None} == OPEN
    for refused in filter(None, refusals.values()):
        assert refused.extra["errors"][0]["path"] == "dryrun"
        assert "it takes" in refused.detail


def test_the_refusal_names_the_parameters_of_the_route() -> None:
    importing = requests(b"dryrun=true")["POST", "/v1/auth/users/import"]

    with pytest.raises(InvalidInput, match=r"dryrun: This route has no such parameter: it takes .*dry_run.*"):
        check_parameters(importing)


def test_a_word_that_a_parameter_does_not_take_is_refused_with_the_words_that_it_takes() -> None:
    importing = requests(b"on_conflict=overwrite")["POST", "/v1/auth/users/import"]

    with pytest.raises(InvalidInput, match=r"on_conflict: This must be one of: .*skip.*"):
        check_parameters(importing)


def test_parameters_of_the_gateway_are_known_to_every_route() -> None:
    for request in requests(b"key=pk_x&project=prj_x&cookies=1").values():
        check_parameters(request)
