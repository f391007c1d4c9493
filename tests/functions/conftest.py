"""Functions opened for a test, with a real Bun and a real PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.functions.module import MODULE
from bunbase.functions.sandbox import switch
from bunbase.functions.sandbox.layers import ConfineWith, Layers, find_bubblewrap, layers_here
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.pkg.modules import Rooms, Site
from tests.conftest import new_database
from tests.functions.calls import delete_all
from tests.functions.neighbours import neighbours
from tests.rooms import opened, site


@pytest.fixture(scope="session", autouse=True)
def layers_tried_once() -> Iterator[None]:
    """Try the layers of the sandbox once per session: each trial starts a process and takes 0.1 s."""

    @cache
    def tried(runtime: Path, wanted: ConfineWith, _bubblewrap: str) -> Layers:
        return layers_here(runtime, wanted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(switch, "layers_here", lambda *asked: tried(*asked, find_bubblewrap(os.environ)))
        yield


@pytest.fixture
def rooms() -> Rooms:
    return neighbours()


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Site:
    return site(tmp_path, database_url)


@pytest.fixture
def settings() -> FunctionsSettings:
    """The default settings. A test file that needs other settings overrides this fixture."""
    return FunctionsSettings()


@pytest_asyncio.fixture
async def own_functions(rooms: Rooms, here: Site, settings: FunctionsSettings) -> AsyncIterator[FunctionsService]:
    async with opened(MODULE, rooms, here, settings=settings) as service:
        yield service


@pytest.fixture
def functions(own_functions: FunctionsService) -> FunctionsService:
    """Return a service for this test alone. Many test files override this fixture by `shared_functions`."""
    return own_functions


@pytest_asyncio.fixture(scope="module")
async def shared_site(postgres: str, filled: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with new_database(postgres, filled) as url:
        yield site(tmp_path_factory.mktemp("functions"), url)


@pytest.fixture(scope="module")
def shared_rooms() -> Rooms:
    """The rooms that `shared_functions` calls. A test file that needs other rooms overrides this fixture."""
    return neighbours()


@pytest.fixture(scope="module")
def shared_settings() -> FunctionsSettings:
    """The settings of `shared_functions`. A test file that needs other settings overrides this fixture."""
    return FunctionsSettings()


@pytest_asyncio.fixture(scope="module")
async def service_of_the_file(
    shared_rooms: Rooms, shared_site: Site, shared_settings: FunctionsSettings
) -> AsyncIterator[FunctionsService]:
    async with opened(MODULE, shared_rooms, shared_site, settings=shared_settings) as service:
        yield service


@pytest_asyncio.fixture
async def shared_functions(service_of_the_file: FunctionsService) -> AsyncIterator[FunctionsService]:
    """Yield one service for all tests of a file, and delete its project after each test.

    This fixture costs 0.4 s less than a service for each test.

    The fixture is for tests that change only their project, and do not depend on the clock or on the number of workers.
    """
    yield service_of_the_file
    await delete_all(service_of_the_file)
