"""Serve the routes of Bundoc to a test. Each request chooses its caller by a header."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Request
from litestar.di import Provide

from bunbase.bundoc.service import BundocService
from bunbase.contracts.caller import Caller
from bunbase.gateway.app import given
from tests.bundoc.backups.backed_up import NoFiles
from tests.bundoc.web import app_of
from tests.rooms import member_caller, publishable_caller, secret_caller

CALLERS = {
    "secret": secret_caller("prj_a"),
    "other": secret_caller("prj_b"),
    "publishable": publishable_caller("prj_a"),
    "member": member_caller("prj_a"),
}


async def client_of(request: Request[Any, Any, Any]) -> Caller:
    return CALLERS[request.headers.get("x-test-caller", "secret")]


async def member_of(request: Request[Any, Any, Any]) -> Caller:
    return CALLERS[request.headers.get("x-test-caller", "member")]


async def accessor_of(request: Request[Any, Any, Any]) -> Caller:
    return await client_of(request)


async def operator_of(request: Request[Any, Any, Any]) -> Caller:
    return await client_of(request)


@pytest.fixture
async def http(service: BundocService) -> AsyncIterator[httpx.AsyncClient]:
    callers = {"accessor": accessor_of, "client": client_of, "member": member_of, "operator": operator_of}
    dependencies = {name: Provide(of) for name, of in callers.items()} | given(
        {"bundoc": service, "platform": None, "storage": NoFiles()}
    )
    transport = httpx.ASGITransport(app=app_of("routes", dependencies))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
