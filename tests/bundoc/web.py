"""The routes of Bundoc as an ASGI app. The test chooses the Callers."""

from __future__ import annotations

from typing import Any

from litestar import Litestar
from litestar.di import Provide

from bunbase.bundoc.module import MODULE
from bunbase.gateway.openapi import OPENAPI
from bunbase.gateway.problems import HANDLERS
from tests.shared_app import Parts, shared_app


def app_of(user: str, dependencies: dict[str, Provide]) -> Any:
    """Return an app with these dependencies.

    `user`: apps of the same user have dependencies with the same parameters.
    """
    return shared_app(("bundoc", user), Parts(dependencies), _built)


def _built(parts: Parts) -> Litestar:
    options: Any = {"exception_handlers": HANDLERS, "openapi_config": OPENAPI}
    return Litestar(MODULE.routes, dependencies=parts.dependencies, **options)
