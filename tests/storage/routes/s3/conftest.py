from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.routes.s3.port import Port, running_port


@pytest.fixture(scope="package")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    directory: Path = tmp_path_factory.mktemp("s3")
    with running_port(directory) as port:
        yield port


@pytest.fixture
def bucket(port: Port, request: pytest.FixtureRequest) -> str:
    """A new bucket for one test."""
    name = "b-" + request.node.name.lower().replace("_", "-").replace("[", "-").replace("]", "")[:50].strip("-.")
    port.client().create_bucket(Bucket=name)
    return name
