"""One BunBase with the credentials of a server, its proxy, and the bundle of the client, for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import dev_instance
from tests.sdk_admin.sites import AdminSite, bundle, prepared
from tests.sdk_js.fault_proxy import FaultProxy, serving
from tests.sdk_js.sites import removed, short_folder


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = short_folder()
    yield bundle(folder)
    removed(folder)


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[AdminSite]:
    with dev_instance() as instance:
        yield prepared(instance.start(), folder)


@pytest.fixture(scope="module")
def proxy(site: AdminSite) -> Iterator[FaultProxy]:
    with serving(FaultProxy(site.url)) as proxy:
        yield proxy
