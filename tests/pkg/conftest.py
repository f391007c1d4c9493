"""A separate PostgreSQL server for each test, which the test may kill."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bunbase.pkg.postgres.cluster import Cluster, start_cluster
from tests.conftest import PREFIX, roomy


@pytest.fixture
def short() -> Iterator[Path]:
    """Yield a directory with a path short enough for sockets, which the user of PostgreSQL can read."""
    directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=roomy()))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def own_postgres(short: Path) -> Iterator[Cluster]:
    cluster = start_cluster(short / "pg", durable=False)
    yield cluster
    cluster.stop()
