"""Share Litestar apps between tests.

To build the app of a room takes 60 ms of processor time, the app of all rooms 200 ms.

An app has no state of its own. The app finds the parts of the test that sends the request in a context variable.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.types import BeforeRequestHookHandler


@dataclass(frozen=True)
class Parts:
    """The parts of an app that belong to one test."""

    dependencies: dict[str, Provide]
    middleware: Sequence[DefineMiddleware] = ()
    before_request: BeforeRequestHookHandler | None = None


PARTS: ContextVar[Parts] = ContextVar("PARTS")
APPS: dict[tuple[Any, ...], Litestar] = {}


class OwnApp:
    """A shared app that uses the parts of one test."""

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


def shared_app(key: tuple[Any, ...], parts: Parts, build: Callable[[Parts], Litestar]) -> Any:
    """Return an app with these parts. `build` is called once for each `key` and each kind of parts.

    The parts that `build` gets call the parts of the test that runs at the moment.
    """
    kinds = (*parts.dependencies, *(part.middleware for part in parts.middleware), parts.before_request is None)
    if (*key, *kinds) not in APPS:
        APPS[*key, *kinds] = build(_calling(parts))
    return OwnApp(APPS[*key, *kinds], parts)


def _calling(parts: Parts) -> Parts:
    return Parts(
        {name: _dependency(name, provide.dependency) for name, provide in parts.dependencies.items()},
        [DefineMiddleware(_Middleware, number=number) for number in range(len(parts.middleware))],
        parts.before_request and _before_request,
    )


def _dependency(name: str, like: Callable[..., Any]) -> Provide:
    """Return a dependency with the parameters of `like`, which calls the test's dependency."""

    @functools.wraps(like)
    def called(*args: Any, **kwargs: Any) -> Any:
        return PARTS.get().dependencies[name].dependency(*args, **kwargs)

    @functools.wraps(like)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        return await PARTS.get().dependencies[name].dependency(*args, **kwargs)

    return Provide(awaited) if inspect.iscoroutinefunction(like) else Provide(called, sync_to_thread=False)


async def _before_request(request: Any) -> Any:
    before: Any = PARTS.get().before_request
    return await before(request)


class _Middleware:
    """The middleware at one place of the stack.

    For each request it makes the middleware of the test, which has no state.
    """

    def __init__(self, app: Any, number: int) -> None:
        self.app = app
        self.number = number

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await PARTS.get().middleware[self.number](self.app)(scope, receive, send)
