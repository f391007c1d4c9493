from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.storage.routes.s3.port import Port, running_port

NUMBERS = count(1)


@pytest.fixture(scope="package")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    directory: Path = tmp_path_factory.mktemp("s3")
    with running_port(directory) as port:
        yield port


@pytest.fixture
def bucket(port: Port) -> str:
    """Return the name of a new bucket."""
    name = f"bucket-{next(NUMBERS)}"
    port.client().create_bucket(Bucket=name)
    return name
