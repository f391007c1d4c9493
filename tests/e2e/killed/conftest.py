"""One server for all tests that kill it and start it again, because each of its starts takes 5 s of processor time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.e2e.conftest import dev_instance
from tests.e2e.instance import Instance

ADMIN: Final = {"email": "admin@example.com", "password": "correct horse battery"}


@pytest.fixture(scope="package")
def killed() -> Iterator[Instance]:
    """Yield a running `bunbase dev` with the account ADMIN. A test may kill the server, but must leave it running."""
    with dev_instance() as instance:
        instance.start().http.post("/api/auth/register", json=ADMIN).raise_for_status()
        yield instance
