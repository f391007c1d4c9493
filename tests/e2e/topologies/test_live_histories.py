"""Random histories over the wire: at every barrier, every live query holds exactly what its caller may see.

BUNBASE_LIVE_SECONDS draws new histories for so long, with kills of the server between them (`make live`).
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.instance import Instance
from tests.e2e.live.histories import Site, WireChecker, prepared
from tests.e2e.topologies.conftest import ROOT
from tests.seeds import seeds

SECONDS = float(os.environ.get("BUNBASE_LIVE_SECONDS", "0"))
TRANSPORTS = ("websocket", "websocket", "sse", "poll")


def new_project(instance: Instance, place: Path) -> tuple[str, str, str]:
    """Return the id of a new project, its secret key and its publishable key."""
    instance.bunbase("login", "--email", ROOT["email"], cwd=place)
    made = instance.bunbase_json("projects", "create", "Live", cwd=place)
    keys = {key["kind"]: key["key"] for key in made["keys"]}
    return made["id"], keys["secret"], keys["publishable"]


async def checked(instance: Instance, place: Path, seed: int, steps: int) -> WireChecker:
    project, secret, publishable = new_project(instance, place)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=instance.url, timeout=30, trust_env=False, limits=limits) as http:
        site: Site = await prepared(http, instance.url, project, secret, publishable)
        checker = WireChecker(http, site, seed, TRANSPORTS)
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
    until, histories, compared, resumed = time.monotonic() + SECONDS, 0, 0, 0

    while time.monotonic() < until:
        seed = random.SystemRandom().getrandbits(26)
        sys.stderr.write(f"seed {seed}\n")
        checker = asyncio.run(checked(instance, tmp_path, seed, steps=200))
        histories, compared, resumed = histories + 1, compared + checker.checked, resumed + checker.resumed

    sys.stderr.write(f"{histories} histories, {compared} results compared at barriers, {resumed} resumes\n")
    assert compared
