from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.functions.egress.resolver import FixedResolver, Resolver
from bunbase.functions.settings import FunctionsSettings
from bunbase.pkg.modules import Rooms
from tests.functions.egress.site import Site, make_authority, site_on_loopback
from tests.functions.neighbours import neighbours

LOOPBACK = ["127.0.0.1"]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest_asyncio.fixture
async def net(authority: tuple[Path, ssl.SSLContext]) -> AsyncIterator[Site]:
    async with site_on_loopback(authority[1]) as site:
        yield site


@pytest.fixture
def resolver() -> FixedResolver:
    return FixedResolver(
        {
            "api.test": [LOOPBACK],
            "other.test": [LOOPBACK],
            "unnamed.test": [LOOPBACK],
            "rebinding.test": [LOOPBACK, ["127.0.0.2"]],
            "private.test": [["10.0.0.1", "169.254.169.254", "::ffff:192.168.0.1"]],
        }
    )


@pytest.fixture
def rooms(resolver: FixedResolver) -> Rooms:
    rooms = neighbours()
    rooms.add(Resolver, resolver)
    return rooms


@pytest.fixture
def settings(authority: tuple[Path, ssl.SSLContext]) -> FunctionsSettings:
    return FunctionsSettings(
        ca_file=str(authority[0]),
        allow_private_networks=("127.0.0.1/32",),
        max_fetch_body_bytes=2 << 20,
        max_fetch_answer_bytes=2 << 20,
        max_workers_per_function=1,
    )
