"""Kill workers, the zygote and the whole server with SIGKILL under mixed load, and restart the server each time.

Afterwards no call may hang, and only calls of killed processes may have failed. Every acknowledged job and change has
run or is a dead letter, changes of a document ran in order, and no process is left. BUNBASE_CHAOS_SECONDS sets the
duration.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest_asyncio

from bunbase.functions.sandbox.bun_files import WORKER_SCRIPT
from tests.e2e.instance import Instance, alive, poll
from tests.e2e.storm import ACCOUNT, WAIT_SECONDS, Storm

SECONDS: Final = float(os.environ.get("BUNBASE_CHAOS_SECONDS", "8"))
SERVER_LIVES_SECONDS: Final = max(5.0, SECONDS / 20)
DRAIN_SECONDS: Final = 60.0
SPARE_DESCRIPTORS: Final = 64
SPARE_MB: Final = 64
MAX_WORKERS: Final = 8

KILLED: Final = {"called: function_crashed", "streamed: function_crashed"}
"""A call may get these errors when its worker is killed. Any other error is a fault."""
BROKEN: Final = {"ConnectError", "ReadError", "RemoteProtocolError", "WriteError"}
"""A client raises these exceptions when its server is killed, or when its answer is cut off."""

END_LEASES: Final = "UPDATE functions.jobs SET look_at = now() WHERE state = 'running' AND started_at < $1"
END_FEEDS: Final = "UPDATE functions.feeds SET held_until = now()"


class Killer:
    """Kills a process at random moments and starts a killed server again at once. `kills` counts them by kind."""

    def __init__(self, server: Instance) -> None:
        self.server = server
        self.kills: Counter[str] = Counter()
        self.since = time.monotonic()
        self.last_death = datetime.now(UTC)  # Every earlier server has ended.

    async def kill_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(random.uniform(0.1, 0.8))
            if time.monotonic() - self.since > SERVER_LIVES_SECONDS:
                await asyncio.to_thread(self.kill_server)
            elif random.random() < 0.1 or not self.kills["zygote"]:
                self._kill_one("zygote", "zygote_process")
            else:
                self._kill_one("worker", WORKER_SCRIPT)

    def kill_server(self) -> None:
        below = self.server.kill()
        self.last_death = datetime.now(UTC)
        self.kills["server"] += 1
        poll(lambda: not [pid for pid in below if alive(pid)], 15, "every process below the server is gone")
        self.server.start()
        self.since = time.monotonic()

    def _kill_one(self, what: str, mark: str) -> None:
        victims = self.server.descendants(mark)
        if victims:
            with suppress(ProcessLookupError):
                os.kill(random.choice(victims), signal.SIGKILL)
            self.kills[what] += 1


@pytest_asyncio.fixture
async def server(dev: Instance, database_url: str) -> AsyncIterator[Instance]:
    dev.commands["dev"][1].update(
        {
            "DATABASE_URL": database_url,
            "BUNBASE_FUNCTIONS__MAX_WORKERS": str(MAX_WORKERS),
            "BUNBASE_FUNCTIONS__WAIT_SECONDS": str(WAIT_SECONDS),
            "BUNBASE_FUNCTIONS__RETRY_SECONDS": "0.2",
        }
    )
    await asyncio.to_thread(dev.start)
    yield dev
    await asyncio.to_thread(dev.kill)


async def test_kill_9_of_any_process_under_load_fails_only_the_running_calls(
    server: Instance, database_url: str
) -> None:
    storm, killer = Storm(server.url), Killer(server)
    await storm.prepare()

    async with storm.blowing():
        await asyncio.sleep(1)
        before = held(server)
        await killer.kill_for(SECONDS)
    await everything_has_run(server, storm, killer.last_death, database_url)
    after = held(server)

    say(f"{dict(killer.kills)} · {dict(storm.done)} · {dict(storm.errors)} · {before} → {after}")
    assert before["workers"]
    assert killer.kills["zygote"]
    assert killer.kills["worker"]
    assert storm.hung == []
    assert storm.odd == []
    assert set(storm.errors) <= KILLED | BROKEN
    assert after["descriptors"] < before["descriptors"] + SPARE_DESCRIPTORS
    assert after["mb"] < before["mb"] + SPARE_MB
    assert after["workers"] <= MAX_WORKERS + 2  # The two additional workers are prewarmed.
    below = await asyncio.to_thread(server.kill)
    poll(lambda: not [pid for pid in below if alive(pid)], 15, "nothing is left behind")


async def everything_has_run(server: Instance, storm: Storm, last_death: datetime, database_url: str) -> None:
    """Assert that each acknowledged job and change has run or is a dead letter, and that changes ran in order."""
    database = await asyncpg.connect(database_url)
    await database.execute(END_FEEDS)
    async with httpx.AsyncClient(base_url=server.url, timeout=30, trust_env=False) as http:
        token = (await http.post("/api/auth/login", json=ACCOUNT)).raise_for_status().json()["access_token"]
        http.headers.update({"authorization": f"Bearer {token}"})
        until = time.monotonic() + DRAIN_SECONDS
        while missing := await left(database, last_death) or await not_run(http, storm):
            assert time.monotonic() < until, missing
            await asyncio.sleep(0.5)
    await database.close()


async def left(database: asyncpg.Connection[Any], last_death: datetime) -> str:
    """End the leases of dead servers, which would last 30 s. Return how many jobs are left as text, or ""."""
    await database.execute(END_LEASES, last_death)
    count = await database.fetchval("SELECT count(*) FROM functions.jobs WHERE state <> 'dead'")
    return f"{count} jobs are left" if count else ""


async def not_run(http: httpx.AsyncClient, storm: Storm) -> list[Any]:
    """Return the acknowledged jobs and changes that neither ran nor are dead letters."""
    dead = await dead_letters(http, storm.project)
    ran = {one["_id"] for one in await documents(http, storm, "ran")}
    seen = {one["_id"]: one["revs"] for one in await documents(http, storm, "seen")}
    assert {id: revs for id, revs in seen.items() if not _in_order(revs, repeats=id.startswith("batch-"))} == {}
    buried = {job["id"] for job in dead}
    buried_changes = {
        (("batch-" if job["function"] == "batching" else "") + job["payload"]["id"], job["payload"]["rev"])
        for job in dead
        if job["kind"] == "change"
    }
    expected = {(prefix + id, rev) for id, rev in storm.changes for prefix in ("", "batch-")}
    say(f"{len(storm.jobs)} jobs, {len(storm.changes)} changes, {len(dead)} dead letters")
    return [
        *(id for id, job in storm.jobs.items() if id not in ran and job not in buried),
        *(one for one in expected if one[1] not in seen[one[0]] and one not in buried_changes),
    ]


def _in_order(revs: list[int], repeats: bool) -> bool:
    """True if the changes of a document ran in order. `repeats`: a batch that fails repeats all of its changes.

    In this case, the first runs of the changes must be in order.
    """
    if not repeats:
        return revs == sorted(revs)
    firsts = list(dict.fromkeys(revs))
    return firsts == sorted(firsts)


async def dead_letters(http: httpx.AsyncClient, project: str) -> list[Any]:
    path = f"/api/projects/{project}/jobs"
    listed = await pages(http, path, {}, state="dead")
    return [(await http.get(f"{path}/{job['id']}")).raise_for_status().json() for job in listed]


async def documents(http: httpx.AsyncClient, storm: Storm, collection: str) -> list[Any]:
    return await pages(http, f"/v1/data/{collection}", storm.secret | {"authorization": ""})


async def pages(http: httpx.AsyncClient, path: str, headers: dict[str, str], **query: str) -> list[Any]:
    found: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {**query, "limit": "100", **({"cursor": cursor} if cursor else {})}
        page = (await http.get(path, params=params, headers=headers)).raise_for_status().json()
        found += page["items"]
        cursor = page["next"]
    return found


def held(server: Instance) -> dict[str, int]:
    pid = server.processes["dev"].pid
    status = Path(f"/proc/{pid}/status").read_text()
    return {
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "mb": int(status.partition("RssAnon:")[2].split()[0]) >> 10,
        "workers": len(server.descendants(WORKER_SCRIPT)),
    }


def say(what: str) -> None:
    """Print a line of progress; `pytest -s` shows it."""
    sys.stderr.write(f"{what}\n")
