"""Start real PostgreSQL servers for tests and run SQL on them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bunbase.pkg.postgres.cluster import Cluster, start_cluster

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has files that PostgreSQL's user cannot reach")


def start(data_dir: Path, **more: Any) -> Cluster:
    return start_cluster(data_dir, durable=False, **more)


def sql(cluster: Cluster, statement: str) -> Any:
    """Run a statement. Return the first column of its first row."""

    async def ask() -> Any:
        connection = await asyncpg.connect(cluster.url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(ask())
    finally:
        loop.close()
