"""Write the dated report of a run: medians, ratios, latencies, and the conditions of the run."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.data.load import CONNECTIONS, WRK, Measured
from bench.data.work import DOCUMENTS, NAMES, Served

Rounds = dict[
    tuple[str, str], list[Measured]
]  # The keys are the name of the server and the key of the work. The first round is the warm-up.
Counts = dict[str, int]


def report(
    servers: Sequence[Served], done: Rounds, counts: dict[str, tuple[int, int]], seconds: int, rounds: int
) -> str:
    """Return the report. `counts`: for each server, the shared counter before and after the rounds."""
    names = [served.name for served in servers]
    lines = [
        f"# Documents over HTTP, {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"`bench/run data {seconds} {rounds}`. Requests per second, as medians of {rounds} interleaved rounds of",
        f"{seconds} s. The load has {CONNECTIONS} keep-alive connections. A collection has {DOCUMENTS} documents of",
        "400 bytes, or 100,000 where the table says so. In brackets: BunBase's rate divided by this rate. Only these",
        "ratios are comparable with the ratios of other machines.",
        "",
        *_table(names, [(work, [_rate(done, names[0], name, work) for name in names]) for work in NAMES]),
        "",
        "Latency in milliseconds, p50 / p99:",
        "",
        *_table(names, [(work, [_latency(done, name, work) for name in names]) for work in NAMES]),
        "",
        *(_counted(done, name, *read) for name, read in counts.items()),
        "",
        *(f"- {line}" for line in _conditions(servers)),
    ]
    return "\n".join(lines) + "\n"


def _table(names: Sequence[str], rows: Sequence[tuple[str, list[str]]]) -> list[str]:
    head = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    return [*head, *(f"| {NAMES[work]} | " + " | ".join(cells) + " |" for work, cells in rows)]


def _rate(done: Rounds, first: str, name: str, work: str) -> str:
    rate, own = _median(done, name, work, "rate"), _median(done, first, work, "rate")
    if rate is None:
        return "–"
    return f"{rate:,.0f}" + ("" if name == first or own is None else f" ({own / rate:.1f} ×)")


def _latency(done: Rounds, name: str, work: str) -> str:
    p50, p99 = _median(done, name, work, "p50"), _median(done, name, work, "p99")
    return "–" if p50 is None else f"{p50:.1f} / {p99:.1f}"


def _median(done: Rounds, name: str, work: str, what: str) -> float | None:
    measured = done.get((name, work), [])[1:]
    return median(getattr(one, what) for one in measured) if measured else None


def _counted(done: Rounds, name: str, before: int, after: int) -> str:
    """Return the line about lost increments.

    If a round ends while a request runs, the server may count the request without an answer.
    """
    together, apart = _median(done, name, "count one", "rate"), _median(done, name, "count", "rate")
    assert together is not None
    assert apart is not None
    answered, counted = sum(one.answered for one in done[name, "count one"]), after - before
    lost = max(0, answered - counted)
    return (
        f"{name}: the rate of increments of one document is {together / apart:.2f} of the rate with many documents;"
        f" {lost} of {answered} answered increments were lost.\n"
    )


def _conditions(servers: Sequence[Served]) -> list[str]:
    load = "wrk" if WRK else "bench/data/own_load.py, which is the bottleneck above about 15,000 requests per second"
    return [
        f"machine: {_cpu()}, {os.cpu_count()} cores, Linux {platform.release()}; load average over the last 5"
        f" minutes: {os.getloadavg()[1]:.1f} (other work shared the machine if this is above 2)",
        f"servers on core 0, load on core 1 by {load}; servers that are not being measured are idle",
        "owner rule: the signed-in user owns 1,000 of 100,000 notes; `owner` has an index",
        *(served.notes for served in servers if served.notes),
    ]


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
