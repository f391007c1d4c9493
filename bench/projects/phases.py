"""Run one phase of the benchmark in this process; print its numbers as one line of JSON."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable
from pathlib import Path

from tests.fakes import FakeKms

from bunbase.bundoc.service import BundocService
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine, open_sqlite_engine
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.pkg.clock import SystemClock

SECRET = b"bench projects: not a secret 32."
BODY = b'{"title":"A document of some 400 bytes","text":"%b"}' % (b"lorem ipsum " * 28)
AT_ONCE = 16
HOT_READS = 20_000
ZIPF = 1.1


def caller(number: int) -> Caller:
    return Caller(CallerKind.SECRET, project=f"prj_{number:06}")


async def create(service: BundocService, projects: int) -> dict[str, float]:
    numbers = iter(range(projects))

    async def some() -> None:
        for number in numbers:
            await service.put(caller(number), "posts", "d1", BODY, NO_PRECONDITION)

    started = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return {"a_second": projects / (time.perf_counter() - started)}


async def read(engine: SqliteEngine, service: BundocService, kms: FakeKms, projects: int) -> dict[str, float]:
    random.seed(1)  # With this seed, every run has the same order.
    order = random.sample(range(projects), projects)
    cold = sorted([await took(service.get(caller(number), "posts", "d1")) for number in order])
    read_mib = memory_mib()
    kms.calls.clear()
    popular = zipf(order)
    hot = sorted([await took(service.get(caller(number), "posts", "d1")) for number in popular])
    opened = len(kms.calls) / len(hot)
    written = sorted(
        [
            await took(service.put(caller(number), "posts", "d2", BODY, NO_PRECONDITION))
            for number in order[: max(1, projects // 4)]
        ]
    )
    return {
        "cold_p50": at(cold, 0.5),
        "cold_p99": at(cold, 0.99),
        "cold_worst": cold[-1],
        "hot_p50": at(hot, 0.5),
        "hot_p99": at(hot, 0.99),
        "hot_opened": opened,
        "write_p99": at(written, 0.99),
        "most_open": engine.files.most_open,
        "open": len(engine.files.files),
        "read_mib": read_mib,
        "written_mib": memory_mib(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "tend_ms": await took(engine.tend()),
    }


def zipf(order: list[int]) -> list[int]:
    """Return HOT_READS projects in random order. Projects at the beginning of `order` are the most frequent."""
    weights = [1 / (rank + 1) ** ZIPF for rank in range(len(order))]
    whole, asked, popular = sum(weights), 0.0, list[int]()
    for number, weight in zip(order, weights, strict=True):
        asked += HOT_READS * weight / whole
        popular += [number] * (int(asked) - len(popular))
    return random.sample(popular, len(popular))


async def took(work: Awaitable[object]) -> float:
    """Await `work`, and return its time in milliseconds."""
    started = time.perf_counter()
    await work
    return (time.perf_counter() - started) * 1000


def at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def memory_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def main(what: str, directory: str, projects: int, most_open: int) -> None:
    kms, settings = FakeKms(SECRET), BundocSettings(max_open_projects=most_open)
    async with open_sqlite_engine(Path(directory) / "bundoc", kms, SystemClock(), settings) as engine:
        service = BundocService(engine)
        if what == "create":
            numbers = await create(service, projects)
        else:
            numbers = await read(engine, service, kms, projects)
        ending = time.perf_counter()
    numbers["close_seconds"] = time.perf_counter() - ending
    sys.stdout.write("\n" + json.dumps(numbers) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
