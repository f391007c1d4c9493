"""One BunBase, its proxy, a strict server and the bundles of the client, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import dev_instance
from tests.sdk_js.fault_proxy import FaultProxy, serving
from tests.sdk_js.sites import PROGRAMS, Site, bundles, prepared, removed, short_folder
from tests.sdk_js.strict_server import StrictServer


@pytest.fixture(scope="package")
def folder() -> Iterator[Path]:
    """Yield a folder with the bundles of all entries."""
    folder = short_folder()
    yield bundles(folder)
    removed(folder)


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    with dev_instance() as instance:
        environment = instance.commands["dev"][1]
        # The sign-in providers of these tests and all visitors are on this machine.
        environment["BUNBASE_TENANT_AUTH__PROVIDER_HOSTS"] = '["localhost"]'
        environment["BUNBASE_GATEWAY__SIGNUPS_PER_HOUR"] = "10000"
        yield prepared(instance.start())


@pytest.fixture(scope="package")
def proxy(site: Site) -> Iterator[FaultProxy]:
    with serving(FaultProxy(site.url)) as proxy:
        yield proxy


@pytest.fixture(scope="package")
def strict(folder: Path) -> Iterator[StrictServer]:
    with serving(StrictServer({"bundles": folder, "programs": PROGRAMS})) as server:
        yield server
