"""Serve the routes of one room without the gateway: the test sets the Callers, and Problems become answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar, Response
from litestar.di import Provide

from bunbase.pkg.errors import Problem
from tests.rooms import ANYONE, site
from tests.shared_app import Parts, shared_app


def client_of(routes: Sequence[Any], **given: Any) -> httpx.AsyncClient:
    """Return a client of the routes. `given`: the arguments of handlers, by name. A missing Caller is anonymous."""
    keyed = given.get("client", ANYONE)
    given = (
        dict.fromkeys(("anyone", "developer", "client", "member", "operator", "person", "visitor"), ANYONE)
        | {"keyed": keyed}
        | given
    )
    given = {"site": site(Path())} | given
    dependencies = {name: Provide(_giving(value), sync_to_thread=False) for name, value in given.items()}

    def build(parts: Parts) -> Litestar:
        options: Any = {"exception_handlers": {Problem: _answer}, "logging_config": None}
        return Litestar(list(routes), dependencies=parts.dependencies, **options)

    app = shared_app(("bunauth", *map(id, routes)), Parts(dependencies), build)
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


def _giving(value: Any) -> Any:
    def give() -> Any:
        return value

    return give


def _answer(_request: Any, problem: Problem) -> Response[dict[str, Any]]:
    return Response(problem.body(), status_code=problem.status, headers=problem.headers())
