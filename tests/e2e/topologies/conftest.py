"""One instance of each topology for all tests of this folder. A start of five processes takes 10 s of processor time.

The tests share the instance's accounts and projects, so each file uses different names, and leaves the instance
running.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import instance_of
from tests.e2e.instance import SETUP_TOKEN, Instance

TOPOLOGIES = ("one", "five")
ROOT = {"email": "root@example.com", "password": "correct horse battery"}


@pytest.fixture(scope="package", params=TOPOLOGIES)
def instance(request: pytest.FixtureRequest, postgres: str) -> Iterator[Instance]:
    """Yield a running instance whose first account, that of the administrator, is ROOT."""
    with instance_of(request.param, postgres) as running:
        running.start().http.post("/api/auth/register", json=ROOT | {"setup_token": SETUP_TOKEN}).raise_for_status()
        yield running


@pytest.fixture
def in_one_process(instance: Instance) -> None:
    """Skip the test with several processes."""
    if len(instance.processes) > 1:
        pytest.skip("one topology shows it")


@pytest.fixture
def in_five_processes(instance: Instance) -> None:
    """Skip the test with one process."""
    if len(instance.processes) == 1:
        pytest.skip("one topology shows it")
