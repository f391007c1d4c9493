"""Pools of connections of many projects do not disturb each other."""

from __future__ import annotations

import asyncio

import httpcore
import pytest

from bunbase.functions.egress import fetcher as fetcher_module
from bunbase.functions.egress.allowed import Reach
from bunbase.functions.egress.fetcher import Fetcher
from bunbase.functions.egress.opening import open_fetcher
from bunbase.functions.settings import FunctionsSettings
from bunbase.pkg.resolver import FixedResolver


@pytest.fixture
def fetcher(monkeypatch: pytest.MonkeyPatch) -> Fetcher:
    monkeypatch.setattr(fetcher_module, "MAX_POOLS", 4)
    return open_fetcher(FunctionsSettings(), FixedResolver({}))


async def test_projects_beyond_the_limit_do_not_close_connection_pools_in_use(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[httpcore.AsyncConnectionPool] = []

    async def slowly(pool: httpcore.AsyncConnectionPool) -> None:
        await asyncio.sleep(0)
        closed.append(pool)

    monkeypatch.setattr(httpcore.AsyncConnectionPool, "aclose", slowly)

    async def pool_of(project: str) -> httpcore.AsyncConnectionPool:
        with fetcher._counted(project):
            pool = await fetcher._pool(project)
            await asyncio.sleep(0)
            assert pool not in closed
            return pool

    for number in range(4):
        await pool_of(f"idle_{number}")
    wanted = ("new_1", "new_1", "idle_3", "new_2", "idle_2")
    pools = await asyncio.gather(*(pool_of(project) for project in wanted))

    assert len(closed) <= 4
    assert pools[0] is pools[1]
    assert all(pool is fetcher.pools[project, Reach.NAMED] for project, pool in zip(wanted, pools, strict=True))
