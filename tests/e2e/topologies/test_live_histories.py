"""Random histories over the wire: at every barrier, every live query holds exactly what its caller may see.

If BUNBASE_LIVE_SECONDS is set, the tests draw new histories for this many seconds, and kill processes of the server
while a history runs (`make live`).
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

import httpx
import pytest

from tests.bundoc.live.searches import SECONDS, search
from tests.e2e.conftest import instance_of
from tests.e2e.instance import SETUP_TOKEN, Instance
from tests.e2e.live.histories import Kill, Site, WireChecker, prepared
from tests.e2e.topologies.conftest import ROOT, TOPOLOGIES
from tests.seeds import seeds

TRANSPORTS = ("websocket", "websocket", "sse", "poll")
LOG_CHARACTERS = 20_000


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
    """A barrier is the server's message that a client has received everything up to a state (docs/live-protocol.md).

    The oracle is a model of the live queries: it computes from the history what each client must see at a barrier.
    """
    checker = asyncio.run(checked(instance, tmp_path, seed, steps=60))

    assert checker.checked > 50
    assert checker.resumed > 0


@pytest.mark.skipif(not SECONDS, reason="a long search: make live")
@pytest.mark.timeout(SECONDS + 600)
def test_no_history_breaks_the_promise_for_as_long_as_wanted(instance: Instance, tmp_path: Path) -> None:
    """While the histories run, the test kills processes of the server with kill -9."""
    search_in(instance, tmp_path, "over the wire")


@pytest.mark.skipif(not SECONDS, reason="a long search: make live")
@pytest.mark.timeout(SECONDS + 600)
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_no_history_with_late_connections_breaks_the_promise_for_as_long_as_wanted(
    topology: str, postgres: str, tmp_path: Path
) -> None:
    """Most repeated queries are too expensive for a round of updates."""
    with instance_of(topology, postgres) as instance:
        for name, (command, settings) in instance.commands.items():
            instance.commands[name] = command, settings | {"BUNBASE_BUNDOC__LIVE_USER_SECONDS": "0.0005"}
        instance.start()
        instance.http.post("/api/auth/register", json=ROOT | {"setup_token": SETUP_TOKEN}).raise_for_status()

        late = search_in(instance, tmp_path, "over the wire, late")

    assert late > 100


def search_in(instance: Instance, place: Path, name: str) -> int:
    """Compare histories until the time is over. Return the number of late results."""
    late = 0
    killed = itertools.cycle(["front", "data"] if "front" in instance.processes else ["dev"])

    async def kill() -> None:
        await asyncio.to_thread(instance.kill_and_restart, next(killed))

    with search(f"{len(instance.processes)} processes, {name}", SECONDS) as found:
        for seed in found.seeds():
            try:
                history = asyncio.run(checked(instance, place, seed, steps=200, kill=kill))
            except Exception:
                sys.stderr.write(instance.log()[-LOG_CHARACTERS:])
                raise
            found.count(history)
            late += history.late

    assert found.results
    return late
