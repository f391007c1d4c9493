"""Share the routing of the gateway between tests. To build it takes 0.2 s, and four hundred tests open a gateway.

The shared part is the Litestar app, which has no state of its own. Everything else is new for each gateway: the rooms,
the guards with their caches and limits, the middleware and the audit log. The shared app finds the parts of the gateway
that a request was sent to in a context variable.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Litestar
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.types import BeforeRequestHookHandler

from bunbase.gateway.app import rooms_app
from bunbase.gateway.settings import GatewaySettings


@dataclass(frozen=True)
class Parts:
    """The parts of one gateway. The shared app calls them."""

    dependencies: dict[str, Provide]
    middleware: Sequence[DefineMiddleware]
    before_request: BeforeRequestHookHandler | None


PARTS: ContextVar[Parts] = ContextVar("PARTS")
SHARED: dict[tuple[Any, ...], Litestar] = {}


class OwnRoomsApp:
    """The routing of one gateway. `routes`: those of the shared app."""

    def __init__(self, shared: Litestar, parts: Parts) -> None:
        self.shared: Any = shared
        self.parts = parts
        self.routes = shared.routes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        before = PARTS.set(self.parts)
        try:
            await self.shared(scope, receive, send)
        finally:
            PARTS.reset(before)


def shared_rooms_app(
    settings: GatewaySettings,
    routes: Sequence[Any],
    dependencies: dict[str, Provide],
    middleware: Sequence[DefineMiddleware] = (),
    before_request: BeforeRequestHookHandler | None = None,
) -> Any:
    """A substitute of `rooms_app`: calls with equal settings, routes and kinds of parts get the same app."""
    parts = Parts(dependencies, middleware, before_request)
    kinds = (*dependencies, *(part.middleware for part in middleware), before_request is None)
    key = (msgspec.json.encode(settings), *map(id, routes), *kinds)  # the shared app keeps the routes, and their ids
    if key not in SHARED:
        SHARED[key] = _built(settings, routes, parts)
    return OwnRoomsApp(SHARED[key], parts)


def _built(settings: GatewaySettings, routes: Sequence[Any], parts: Parts) -> Litestar:
    dependencies = {name: _dependency(name, provide) for name, provide in parts.dependencies.items()}
    middleware = [DefineMiddleware(SharedMiddleware, number=number) for number in range(len(parts.middleware))]
    return rooms_app(settings, routes, dependencies, middleware, parts.before_request and _before_request)


def _dependency(name: str, provide: Provide) -> Provide:
    """Return a dependency with the same parameters, which calls that of the gateway."""

    @functools.wraps(provide.dependency)
    def called(*args: Any, **kwargs: Any) -> Any:
        return PARTS.get().dependencies[name].dependency(*args, **kwargs)

    assert not inspect.iscoroutinefunction(provide.dependency)
    return Provide(called, sync_to_thread=False)


async def _before_request(request: Any) -> Any:
    before = PARTS.get().before_request
    assert before is not None
    return await before(request)


class SharedMiddleware:
    """The middleware at one place. For each request it makes the middleware of the gateway, which has no state."""

    def __init__(self, app: Any, number: int) -> None:
        self.app = app
        self.number = number

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        part: Any = PARTS.get().middleware[self.number]
        await part.middleware(self.app, *part.args, **part.kwargs)(scope, receive, send)
