"""The routes of Functions on a real server on loopback. The test chooses the Callers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from litestar import Litestar

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.service import Functions
from bunbase.functions.routes import ROUTES
from bunbase.gateway.app import given
from bunbase.gateway.problems import HANDLERS
from bunbase.pkg.serve import listen, serving
from tests.shared_app import Parts, shared_app

DEADLINE_SECONDS = 20.0


@asynccontextmanager
async def served(functions: Functions, member: Caller, visitor: Caller) -> AsyncIterator[httpx.AsyncClient]:
    dependencies = given({"functions": functions, "member": member, "visitor": visitor, "keyed": visitor})
    app = shared_app(("functions",), Parts(dependencies), _built)
    listener: Any = listen("127.0.0.1", 0)
    async with (
        serving(app, listener) as address,
        httpx.AsyncClient(base_url=address, timeout=DEADLINE_SECONDS, trust_env=False) as client,
    ):
        yield client


def _built(parts: Parts) -> Litestar:
    return Litestar(
        [*ROUTES],
        dependencies=parts.dependencies,
        exception_handlers=HANDLERS,
        request_max_body_size=2 << 20,
        openapi_config=None,
        logging_config=None,
    )
