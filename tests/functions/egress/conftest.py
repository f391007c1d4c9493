from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.functions.settings import FunctionsSettings
from bunbase.pkg.modules import Rooms
from bunbase.pkg.resolver import FixedResolver, Resolver
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


@pytest.fixture(scope="module")
def resolver_of_the_file() -> FixedResolver:
    return FixedResolver({})


@pytest.fixture
def resolver(resolver_of_the_file: FixedResolver) -> FixedResolver:
    """Return the resolver with its original answers, and with an empty record of look-ups."""
    resolver_of_the_file.asked.clear()
    resolver_of_the_file.names = {
        "api.test": [LOOPBACK],
        "other.test": [LOOPBACK],
        "unnamed.test": [LOOPBACK],
        "rebinding.test": [LOOPBACK, ["127.0.0.2"]],
        "private.test": [["10.0.0.1", "169.254.169.254", "::ffff:192.168.0.1"]],
    }
    return resolver_of_the_file


@pytest.fixture
def rooms(resolver: FixedResolver) -> Rooms:
    return _rooms_with(resolver)


@pytest.fixture(scope="module")
def shared_rooms(resolver_of_the_file: FixedResolver) -> Rooms:
    return _rooms_with(resolver_of_the_file)


@pytest.fixture
def settings(authority: tuple[Path, ssl.SSLContext]) -> FunctionsSettings:
    return _settings_with(authority[0])


@pytest.fixture(scope="module")
def shared_settings(authority: tuple[Path, ssl.SSLContext]) -> FunctionsSettings:
    return _settings_with(authority[0])


def _rooms_with(resolver: FixedResolver) -> Rooms:
    rooms = neighbours()
    rooms.add(Resolver, resolver)
    return rooms


def _settings_with(ca_file: Path) -> FunctionsSettings:
    return FunctionsSettings(
        ca_file=str(ca_file),
        allow_private_networks=("127.0.0.1/32",),
        max_fetch_body_bytes=2 << 20,
        max_fetch_answer_bytes=2 << 20,
        max_workers_per_function=1,
    )
