"""Many clients: some do not read, and thousands connect again in the same second. The test prints its measurements."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
import pytest

from tests.bundoc.live.searches import SECONDS
from tests.e2e.conftest import dev_instance
from tests.e2e.instance import Instance, poll
from tests.e2e.live.many import Watcher, all_current, stalled_events, stalled_socket
from tests.e2e.live.running import Open, metric

pytestmark = pytest.mark.skipif(not SECONDS, reason="takes minutes: make live")
SOCKETS = int(os.environ.get("BUNBASE_LIVE_SOCKETS", "5000"))
STALLED, OTHERS = 200, 800
MANY = "20000"


@contextmanager
def roomy(**settings: str) -> Iterator[Instance]:
    """Yield a server that allows many connections from this machine."""
    with dev_instance() as instance:
        environment = instance.commands["dev"][1]
        environment |= {
            "BUNBASE_LIVE__MAX_CONNECTIONS": MANY,
            "BUNBASE_LIVE__MAX_CONNECTIONS_PER_PROJECT": MANY,
            "BUNBASE_GATEWAY__MAX_CONNECTIONS": MANY,
            "BUNBASE_GATEWAY__TRUSTED_PROXIES": '["127.0.0.1"]',  # this address has no limits of its own
        }
        environment |= settings
        yield instance.start()


def memory(instance: Instance) -> float:
    """Return the memory of the server's process, in MiB."""
    (process,) = instance.processes.values()
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / (1 << 20)


def processor_seconds(instance: Instance) -> float:
    (process,) = instance.processes.values()
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def p99(seconds: list[float]) -> float:
    """Return the 99th percentile in milliseconds."""
    return round(quantiles(seconds, n=100)[98] * 1000, 1)


def p50(seconds: list[float]) -> float:
    """Return the median in milliseconds."""
    return round(median(seconds) * 1000, 1)


def say(**numbers: Any) -> None:
    sys.stderr.write(" ".join(f"{name}={value}" for name, value in numbers.items()) + "\n")


@pytest.mark.parametrize(("transport", "stalled"), [("websocket", stalled_socket), ("sse", stalled_events)])
def test_complaint_25_two_hundred_clients_that_do_not_read_cost_the_others_nothing(
    transport: str, stalled: Any
) -> None:
    with roomy(BUNBASE_LIVE__SLOW_SECONDS="20") as instance:
        asyncio.run(_beside_stalled(instance, transport, stalled))


async def _beside_stalled(instance: Instance, transport: str, stalled: Any) -> None:
    site = Open(instance)
    query: dict[str, Any] = {"collection": "posts", "where": {"topic": "large"}, "sort": ["-n"], "limit": 1}
    others = [Watcher(instance.port, site.publishable, query, []) for _ in range(OTHERS)]

    async def written(first: int, count: int) -> list[float]:
        """Write while the other clients read. Return the seconds until each client has each change."""
        took = []
        for n in range(first, first + count):
            began = time.monotonic()
            put = await asyncio.to_thread(
                site.put, "data", "posts", f"large{n % 4}", topic="large", n=n, text="x" * 60_000
            )
            await all_current(others, put.headers["x-bunbase-seq"], 60)
            took += [one.at_since - began for one in others]
        return took

    await written(0, 5)
    spent = processor_seconds(instance)
    before, alone, spent = memory(instance), await written(5, 40), processor_seconds(instance) - spent
    sockets = await asyncio.to_thread(lambda: [stalled(instance.port, site.publishable, query) for _ in range(STALLED)])
    await asyncio.to_thread(poll, lambda: metric(instance, "bunbase_live_connections") == STALLED + OTHERS, 30)
    least = memory(instance)
    filling = await written(45, 10)
    spent_beside = processor_seconds(instance)
    beside = await written(55, 40)
    spent_beside = processor_seconds(instance) - spent_beside
    behind, most = await asyncio.to_thread(metric, instance, "bunbase_live_behind_total"), memory(instance)
    say(transport=transport, before=round(before), with_them=round(least), most=round(most), behind=behind)
    say(p50_alone_ms=p50(alone), p50_while_buffers_fill_ms=p50(filling), p50_beside_ms=p50(beside))
    say(p99_alone_ms=p99(alone), p99_while_buffers_fill_ms=p99(filling), p99_beside_ms=p99(beside))
    say(server_cpu_ms_a_write_alone=round(spent * 25, 1), beside=round(spent_beside * 25, 1))
    await asyncio.to_thread(_until_closed, instance)
    await written(95, 5)

    assert behind >= STALLED
    assert most - least < 60
    for one in sockets:
        one.close()
    await asyncio.gather(*[one.stop() for one in others])


def _until_closed(instance: Instance) -> None:
    poll(lambda: metric(instance, "bunbase_live_slow_closes_total") >= STALLED, 60, "slow clients stay")
    poll(lambda: metric(instance, "bunbase_live_connections") == OTHERS, 30, "slow clients stay")


def test_complaint_26_thousands_of_clients_that_come_back_at_once_cost_one_query_for_each_group() -> None:
    with roomy() as instance:
        asyncio.run(_come_back(instance))


async def _come_back(instance: Instance) -> None:
    site, topics = Open(instance), 5
    queries = [{"collection": "posts", "where": {"topic": f"t{n}"}} for n in range(topics)]
    for n in range(topics * 20):
        site.put("data", "posts", f"p{n:03d}", topic=f"t{n % topics}", text="x" * 100)
    ids = [[f"p{n:03d}" for n in range(topic, topics * 20, topics)] for topic in range(topics)]
    began = time.monotonic()
    watchers = []
    for n in range(SOCKETS):
        watchers.append(Watcher(instance.port, site.publishable, queries[n % topics], ids[n % topics]))
        if n % 40 == 39:
            await asyncio.sleep(0.1)  # This makes 400 in a second.
    await all_current(watchers, await asyncio.to_thread(_changed, site, topics), 240)
    opened = time.monotonic() - began

    connects = sum(one.connects for one in watchers)
    instance.kill()
    instance.spawn_all()
    killed = time.monotonic()
    await asyncio.to_thread(poll, instance._ready, 60)
    ready, spent = time.monotonic() - killed, (processor_seconds(instance), time.process_time())
    reading: list[float] = []
    probing = asyncio.create_task(_probe(instance, site, reading))
    await all_current(watchers, await asyncio.to_thread(_changed, site, topics), 240)
    back = time.monotonic() - killed
    probing.cancel()

    server, clients = processor_seconds(instance) - spent[0], time.process_time() - spent[1]
    say(server_cpu_s=round(server, 1), clients_cpu_s=round(clients, 1))
    found = await asyncio.to_thread(_counted, instance)
    say(sockets=SOCKETS, opened_s=round(opened, 1), ready_s=round(ready, 1), all_current_s=round(back, 1))
    say(connects=sum(one.connects for one in watchers) - connects, reads=len(reading))
    say(get_first_ms=round(reading[0] * 1000, 1), get_p50_ms=p50(reading[1:]), get_p99_ms=p99(reading[1:]))
    say(rss_mib=round(memory(instance)), **found)
    assert found["groups"] == topics
    assert found["queries"] <= 4 * topics, "the queries ran again and again"
    assert found["connections"] == SOCKETS
    await asyncio.gather(*[one.stop() for one in watchers])


def _changed(site: Open, topics: int) -> str:
    """Change a document of each query in one commit, so that each client gets the new state. Return the state."""
    writes = [
        {"op": "put", "collection": "posts", "id": f"p{n:03d}", "data": {"topic": f"t{n}"}} for n in range(topics)
    ]
    answer = site.instance.http.post("/v1/commit", json={"writes": writes}, headers=site.headers)
    return answer.raise_for_status().headers["x-bunbase-seq"]


def _counted(instance: Instance) -> dict[str, float]:
    return {
        "groups": metric(instance, "bunbase_bundoc_live_groups"),
        "queries": metric(instance, "bunbase_bundoc_live_queries_total"),
        "resumed_by_difference": metric(instance, "bunbase_bundoc_live_resumes_total", **{"with": "diff"}),
        "resumed_by_snapshot": metric(instance, "bunbase_bundoc_live_resumes_total", **{"with": "snapshot"}),
        "connections": metric(instance, "bunbase_live_connections"),
    }


async def _probe(instance: Instance, site: Open, seconds: list[float]) -> None:
    """Read a document 20 times a second. The first read also connects, while the queue of the kernel is full."""
    async with httpx.AsyncClient(base_url=instance.url, headers=site.headers, trust_env=False, timeout=30) as http:
        while True:
            began = time.monotonic()
            with suppress(httpx.TransportError):
                (await http.get("/v1/data/posts/p002")).raise_for_status()
                seconds.append(time.monotonic() - began)
            await asyncio.sleep(0.05)
