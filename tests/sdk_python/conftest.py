"""One BunBase and its proxy for all tests of a file, and a client of each kind (sync and asyncio)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from bunbase_sdk import AsyncClient, Client
from tests.e2e.conftest import dev_instance
from tests.sdk_js.fault_proxy import FaultProxy, serving
from tests.sdk_python.site import Site, prepared
from tests.sdk_python.waiting import Loop, Waiting

Connect = Callable[..., Any]


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    with dev_instance() as instance:
        yield prepared(instance.start())


@pytest.fixture(scope="module")
def proxy(site: Site) -> Iterator[FaultProxy]:
    with serving(FaultProxy(site.url)) as proxy:
        yield proxy


@pytest.fixture(scope="module", params=["sync", "aio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Yield a function that makes a client. Each test runs with the sync client and with the asyncio client."""
    with ExitStack() as opened:
        if request.param == "sync":
            yield lambda *args, **named: opened.enter_context(Client(*args, **named))
            return
        loop = Loop()
        opened.callback(loop.stop)

        def connected(*args: Any, **named: Any) -> Any:
            client = AsyncClient(*args, **named)
            opened.callback(lambda: loop.result(client.close()))
            return Waiting(client, loop)

        yield connected


@pytest.fixture(scope="module")
def client(connect: Connect, site: Site) -> Any:
    """Return a client with the secret key."""
    return connect(site.url, site.secret, project=site.project)


@pytest.fixture(scope="module")
def developer(connect: Connect, site: Site) -> Any:
    """Return a client with the personal access token of a developer."""
    return connect(site.url, site.token, project=site.project)
