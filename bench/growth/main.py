"""`bench/run growth [largest]`: measure the processor time of queries while a collection grows from 1,000 documents.

BundocService runs in this process. One collection has indexes for each query, one has none, and one has a text index.
If a query needs more than its budget, BunBase refuses it, and the line of this query ends.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
from tests.fakes import FakeKms

from bench.growth.chart import drawn
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.engine import open_sqlite_engine
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import Aggregation, Page, Query
from bunbase.contracts.bundoc.problems import QueryNeedsIndex
from bunbase.contracts.caller import Caller, CallerKind, EndUser
from bunbase.pkg.clock import SystemClock
from bunbase.pkg.errors import DeadlineExceeded

RESULTS: Final = Path(__file__).parents[1] / "results"
CHART: Final = Path(__file__).parents[2] / "docs" / "growth.svg"
SECRET: Final = b"bench growth: not a secret. 32 b"
SERVER: Final = Caller(CallerKind.SECRET, project="prj_growth")
ADA: Final = Caller(CallerKind.PUBLISHABLE, project="prj_growth", user=EndUser("u7", None, "user", {}, "session"))
BATCH: Final = 500
TIMES: Final = 3
SINCE: Final = datetime(2025, 1, 1, tzinfo=UTC)
RULES: Final = Rules(list="doc.owner == auth.uid")
COLLECTIONS: Final = {
    "indexed": CollectionSpec(
        (IndexSpec(("owner", "-paid_at")), IndexSpec(("category", "paid_at", "price"))), rules=RULES
    ),
    "words": CollectionSpec((IndexSpec(("title",), type="text"),)),
    "plain": CollectionSpec(rules=RULES),
}
# `words` and `plain` stop here, because it takes half an hour to write a million documents in them.
SMALL: Final = 100_000
MONTH: Final = {"$dateTrunc": {"field": "paid_at", "unit": "month", "timezone": "Europe/Berlin"}}
SUM: Final = b'{"total":{"$sum":"price"}}'

Ask = Callable[[BundocService, str], Awaitable[Page]]
ASKS: Final[dict[str, Ask]] = {
    "count of a range": lambda service, name: service.aggregate(
        SERVER, name, Aggregation(b'{"n":{"$count":true}}', b'{"price":{"$gte":50}}')
    ),
    "sum": lambda service, name: service.aggregate(SERVER, name, Aggregation(SUM)),
    "sum by category": lambda service, name: service.aggregate(SERVER, name, Aggregation(SUM, group=("category",))),
    "sum by month": lambda service, name: service.aggregate(SERVER, name, Aggregation(SUM, group=(MONTH,))),
    "list of 20 under a rule": lambda service, name: service.query(ADA, name, Query(sort=("-paid_at",), limit=20)),
    "search for a rare word": lambda service, name: service.query(SERVER, name, Query(b'{"$search":"rare7"}')),
}


def main(largest: int = 1_000_000) -> int:
    with tempfile.TemporaryDirectory(prefix="bunbase-bench-") as folder:
        asyncio.run(measured(Path(folder), largest))
    return 0


def save(found: dict[str, dict[int, float | None]]) -> None:
    """Write the report and the chart. This happens after each size, because the last size takes most of the time."""
    text = report(found)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-growth.md"
    path.write_text(text, "utf-8")
    lines = {name: [(size, ms) for size, ms in one.items() if ms is not None] for name, one in found.items()}
    indexed = {name.rpartition(",")[0]: points for name, points in lines.items() if "plain" not in name}
    title, y = "Queries with an index, by size", "milliseconds of processor time"
    CHART.write_text(drawn(title, "documents", y, indexed), "utf-8")
    sys.stdout.write(f"{text}\nwrote {path} and {CHART}\n")
    sys.stdout.flush()


async def measured(folder: Path, largest: int) -> None:
    """Save the milliseconds of each query at each size, or None if the query was refused."""
    settings = BundocSettings(read_seconds=600)
    found: dict[str, dict[int, float | None]] = {}
    async with open_sqlite_engine(folder, FakeKms(SECRET), SystemClock(), settings) as engine:
        service = BundocService(engine)
        for name, spec in COLLECTIONS.items():
            await service.put_collection(SERVER, name, spec)
        before, size = 0, 1000
        while size <= largest:
            grown = [name for name in COLLECTIONS if name == "indexed" or size <= SMALL]
            for name in grown:
                await fill(service, name, range(before, size))
            for name, ask in ASKS.items():
                for collection in grown:
                    if ("search" in name) == (collection == "words"):
                        line = found.setdefault(f"{name}, {collection}", {})
                        line[size] = await took(ask, service, collection)
            before = size
            save(found)
            size *= 10


async def fill(service: BundocService, collection: str, numbers: range) -> None:
    for start in range(numbers.start, numbers.stop, BATCH):
        batch = [document(number) for number in range(start, start + BATCH)]
        writes = [{"op": "create", "collection": collection, "data": one} for one in batch]
        await service.commit(SERVER, msgspec.json.encode({"writes": writes}))


def document(number: int) -> dict[str, Any]:
    return {
        "number": number,
        "owner": f"u{number % 100}",
        "category": f"c{number * 7 % 12}",
        "price": number * 7919 % 10_000 / 100,
        "paid_at": (SINCE + timedelta(seconds=number * 104_729 % 43_200_000)).isoformat(),
        "title": f"milk and bread rare{number % 5000}",
    }


async def took(ask: Ask, service: BundocService, collection: str) -> float | None:
    spent: list[float] = []
    for _ in range(TIMES):
        started = time.process_time()
        try:
            await ask(service, collection)
        except (QueryNeedsIndex, DeadlineExceeded):
            return None
        spent.append((time.process_time() - started) * 1000)
    return median(spent)


def report(found: dict[str, dict[int, float | None]]) -> str:
    sizes = list(next(iter(found.values())))
    rows = {name: [_shown(line, size) for size in sizes] for name, line in found.items()}
    lines = [
        f"# Queries on 1,000 to {sizes[-1]:,} documents, {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"`bench/run growth {sizes[-1]}` runs BundocService in one process, with default budgets. Milliseconds of",
        f"processor time, median of {TIMES}. `indexed`: the collection has indexes on [owner, -paid_at] and [category,",
        "paid_at, price]; `plain`: it has none; `words`: it has a text index on `title`. *refused*: 422",
        "`query_needs_index`. –: not measured.",
        "",
        "| query | " + " | ".join(f"{size:,}" for size in sizes) + " |",
        "|---|" + "---:|" * len(sizes),
        *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()),
        "",
        f"- machine: {os.cpu_count()} cores, Linux {platform.release()}; load average over the last 5 minutes:"
        f" {os.getloadavg()[1]:.1f} (other work shared the machine if this is above 1)",
        f"- Python {platform.python_version()}, apsw-sqlite3mc {version('apsw-sqlite3mc')}; default settings, but"
        " `bundoc.read_seconds` is 600",
    ]
    return "\n".join(lines) + "\n"


def _shown(line: dict[int, float | None], size: int) -> str:
    ms = line.get(size, 0.0)
    return "*refused*" if ms is None else f"{ms:.2f}" if ms else "–"


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
