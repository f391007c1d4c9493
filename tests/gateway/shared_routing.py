"""Share the routing of the gateway between tests, because four hundred of them open a gateway.

Everything else is new for each gateway: the rooms, the guards with their caches and limits, the middleware and the
audit log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Litestar
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.types import BeforeRequestHookHandler

from bunbase.gateway.app import rooms_app
from bunbase.gateway.settings import GatewaySettings
from tests.shared_app import Parts, shared_app


def shared_rooms_app(
    settings: GatewaySettings,
    routes: Sequence[Any],
    dependencies: dict[str, Provide],
    middleware: Sequence[DefineMiddleware] = (),
    before_request: BeforeRequestHookHandler | None = None,
) -> Any:
    """A substitute of `rooms_app`. Calls with equal settings, routes and kinds of parts get the same app."""

    def build(parts: Parts) -> Litestar:
        return rooms_app(settings, routes, parts.dependencies, parts.middleware, parts.before_request)

    key = ("gateway", msgspec.json.encode(settings), *map(id, routes))  # Modules keep the routes, so ids stay unique.
    return shared_app(key, Parts(dependencies, middleware, before_request), build)
