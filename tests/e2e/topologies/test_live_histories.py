"""Random histories over the wire: at every barrier, every live query holds exactly what its caller may see.

BUNBASE_LIVE_SECONDS draws new histories for so long, and kills processes of the server meanwhile (`make live`).
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import httpx
import pytest

from tests.bundoc.live.searches import SECONDS, search
from tests.e2e.instance import Instance
from tests.e2e.live.histories import Kill, Site, WireChecker, prepared
from tests.e2e.topologies.conftest import ROOT
from tests.seeds import seeds

TRANSPORTS = ("websocket", "websocket", "sse", "poll")


def new_project(instance: Instance, place: Path) -> tuple[str, str, str]:
    """Return the id of a new project, its secret key and its publishable key."""
    instance.bunbase("login", "--email", ROOT["email"], cwd=place)
    made = instance.bunbase_json("projects", "create", "Live", cwd=place)
    keys = {key["kind"]: key["key"] for key in made["keys"]}
    return made["id"], keys["secret"], keys["publishable"]


async def checked(instance: Instance, place: Path, seed: int, steps: int, kill: Kill | None = None) -> WireChecker:
    project, secret, publishable = new_project(instance, place)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=instance.url, timeout=30, trust_env=False, limits=limits) as http:
        site: Site = await prepared(http, instance.url, project, secret, publishable)
        checker = WireChecker(http, site, seed, TRANSPORTS, kill)
        await checker.run(steps)
    return checker


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(1))
def test_each_barrier_shows_what_the_oracle_shows(instance: Instance, tmp_path: Path, seed: int) -> None:
    checker = asyncio.run(checked(instance, tmp_path, seed, steps=60))

    assert checker.checked > 50
    assert checker.resumed > 0


@pytest.mark.skipif(not SECONDS, reason="a long search: make live")
@pytest.mark.timeout(SECONDS + 600)
def test_no_history_breaks_the_promise_for_as_long_as_wanted(instance: Instance, tmp_path: Path) -> None:
    """Processes of the server are killed with kill -9 meanwhile."""
    killed = itertools.cycle(["front", "data"] if "front" in instance.processes else ["dev"])

    async def kill() -> None:
        await asyncio.to_thread(instance.kill_and_restart, next(killed))

    with search(f"{len(instance.processes)} processes, over the wire", SECONDS) as found:
        for seed in found.seeds():
            found.count(asyncio.run(checked(instance, tmp_path, seed, steps=200, kill=kill)))

    assert found.results
