"""Write the dated report of a run: medians, ratios, goals, and the conditions of the run."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from bench.storage.load import CONNECTIONS, Measured
from bench.storage.meters import Cost
from bench.storage.signing import THREADS
from bench.storage.work import LISTS, Server


class Found(msgspec.Struct, frozen=True):
    """`rate`: answers a second, or MB/s of a stream. `a_core`: the same for each second of the server's processor time.

    `answer`: the latencies, if the load measured them.
    """

    rate: float
    a_core: float
    answer: Measured | None
    cost: Cost


Rounds = dict[tuple[str, str], list[Found]]  # The keys are the name of the target and the name of the work.

RATES: Final = {
    "put small": "PUT 4 KiB",
    "get small": "GET 4 KiB",
    "put large": "PUT 1 MiB",
    "get large": "GET 1 MiB",
    "range": "GET a range of 64 KiB",
}
LISTS_OF: Final = {
    "list groups": "groups of the whole bucket, with delimiter",
    "list keys": "keys of one group, with delimiter",
}
STREAMS: Final = {
    "stream up": "up, one request",
    "stream down": "down, one request",
    "sdk stream up": "up, boto3: parts of 8 MiB, 10 at the same time",
    "sdk stream down": "down, boto3: ranges of 8 MiB, 10 at the same time",
}


def report(servers: list[Server], done: Rounds, seconds: float, rounds: int) -> str:
    raw = [target.name for server in servers if server.raw for target in server.targets]
    s3 = [server.s3.name for server in servers]
    peer = next((server.s3.name for server in servers[1:] if server.raw), "")
    own = servers[0].s3.name
    sdk = {f"sdk {work}": name for work, name in RATES.items()}
    lines = [
        f"# Files, {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"`bench/run storage {seconds:g} {rounds}`. Medians of {rounds} interleaved rounds of {seconds:g} s. In",
        "brackets: BunBase's S3 rate divided by this rate. Only these ratios are comparable with those of other",
        "machines.",
        "",
        f"Answers a second over {CONNECTIONS} connections, without an SDK:",
        "",
        *_table(raw, RATES, lambda name, work: _rate(done, own, name, work)),
        "",
        "Answers for each second of the server's processor time. This is the rate of one core without waiting:",
        "",
        *_table(raw, RATES, lambda name, work: f"{_of(done, name, work, _a_core):,.0f}"),
        "",
        "Latency in milliseconds, p50 / p99, and the share of its core that the load generator used:",
        "",
        *_table(raw, RATES, lambda name, work: _latency(done, name, work)),
        "",
        f"Calls a second of boto3 with {THREADS} threads on one core, which is the bottleneck of most rows:",
        "",
        *_table(s3, sdk, lambda name, work: _rate(done, own, name, work)),
        "",
        f"Lists of a bucket with 1,000,000 keys in 1,000 groups. p50 / p95 of {LISTS} requests, in milliseconds.",
        "A page has 1,000 entries; a page of the HTTP API has 500, which is its limit:",
        "",
        *_table(raw, LISTS_OF, lambda name, work: _list(done, name, work)),
        "",
        "1 GiB. MB/s / MB for each second of the server's processor time / largest memory above that of the resting",
        "server in MiB, in the first round, before any other large request (in the order of the rows, so that a later",
        "row includes what the server kept of an earlier one):",
        "",
        *_table(raw, STREAMS, lambda name, work: _stream(done, name, work)),
        "",
        "The longest turn of BunBase's event loop meanwhile: processor time / time until the next turn, in",
        "milliseconds, which includes the time of other threads and other processes:",
        "",
        *_table([target.name for target in servers[0].targets], STREAMS, lambda name, work: _turn(done, name, work)),
        "",
        *_goals(done, own, peer, servers),
        "",
        *(f"- {server.notes}" for server in servers),
        "- servers on core 0, load on core 1; servers that are not being measured are idle",
        f"- machine: {_cpu()}, {os.cpu_count()} cores, Linux {platform.release()}; load average over the last 5"
        f" minutes: {os.getloadavg()[1]:.1f} (other work shared the machine if this is above 2)",
    ]
    return "\n".join(lines) + "\n"


def _goals(done: Rounds, own: str, peer: str, servers: list[Server]) -> list[str]:
    mine = [target.name for target in servers[0].targets]
    rows = []
    if peer:
        floor = servers[-1].s3.name if not servers[-1].raw else ""
        for work, goal in (("get small", 0.7), ("get large", 0.7), ("range", 0.7), ("put small", 0.5)):
            ratio = _of(done, own, work, _rate_of) / _of(done, peer, work, _rate_of)
            rows.append((f"{RATES[work]}, without an SDK", f"≥ {goal} × versitygw", f"{ratio:.2f} ×"))
            ratio = _of(done, own, f"sdk {work}", _rate_of) / _of(done, peer, f"sdk {work}", _rate_of)
            rows.append((f"{RATES[work]}, boto3", f"≥ {goal} × versitygw", f"{ratio:.2f} ×"))
        for work, many in (("get small", 3), ("put small", 2)) if floor else ():
            ratio = _of(done, own, f"sdk {work}", _rate_of) / _of(done, floor, f"sdk {work}", _rate_of)
            rows.append((f"{RATES[work]}, boto3", f"≥ {many} × moto", f"{ratio:.2f} ×"))
    for name in mine:
        rows.append((f"range of 64 KiB, {name}", "≥ 2,000/s a core", f"{_of(done, name, 'range', _a_core):,.0f}/s"))
        for work in STREAMS:
            if (name, work) not in done:
                continue
            label = f"1 GiB {STREAMS[work]}, {name}"
            rows.append((label, "≥ 250 MB/s a core", f"{_of(done, name, work, _a_core):,.0f} MB/s"))
            rows.append((label, "memory ≤ 16 MiB", f"{_first_growth(done, name, work):.0f} MiB"))
            rows.append((label, "longest turn ≤ 20 ms", f"{_most(done, name, work, _turn_of):.1f} ms"))
        for work in LISTS_OF:
            worst = _of(done, name, work, _p95)
            rows.append((f"list of {LISTS_OF[work]}, {name}", "p95 ≤ 60 ms", f"{worst:.1f} ms"))
    return ["| goal | to reach | measured |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]


def _table(names: list[str], rows: dict[str, str], cell: Callable[[str, str], str]) -> list[str]:
    head = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    return [*head, *(f"| {rows[work]} | " + " | ".join(cell(name, work) for name in names) + " |" for work in rows)]


def _rate(done: Rounds, own: str, name: str, work: str) -> str:
    rate = _of(done, name, work, _rate_of)
    return f"{rate:,.0f}" + ("" if name == own else f" ({_of(done, own, work, _rate_of) / rate:.2f} ×)")


def _latency(done: Rounds, name: str, work: str) -> str:
    p50, p99, busy = (_of(done, name, work, what) for what in (_p50, _p99, _busy))
    return f"{p50:.1f} / {p99:.1f}, {busy:.0%}"


def _list(done: Rounds, name: str, work: str) -> str:
    return f"{_of(done, name, work, _p50):.1f} / {_of(done, name, work, _p95):.1f}"


def _stream(done: Rounds, name: str, work: str) -> str:
    if (name, work) not in done:
        return "–"
    rate, a_core = _of(done, name, work, _rate_of), _of(done, name, work, _a_core)
    return f"{rate:,.0f} / {a_core:,.0f} / {_first_growth(done, name, work):.0f}"


def _turn(done: Rounds, name: str, work: str) -> str:
    if (name, work) not in done:
        return "–"
    return f"{_most(done, name, work, _turn_of):.1f} / {_most(done, name, work, _late_of):.0f}"


def _of(done: Rounds, name: str, work: str, what: Callable[[Found], float]) -> float:
    """Return the median of all rounds."""
    return median(what(found) for found in done[name, work])


def _most(done: Rounds, name: str, work: str, what: Callable[[Found], float]) -> float:
    """Return the largest value of all rounds."""
    return max(what(found) for found in done[name, work])


def _first_growth(done: Rounds, name: str, work: str) -> float:
    return done[name, work][0].cost.growth


def _rate_of(found: Found) -> float:
    return found.rate


def _a_core(found: Found) -> float:
    return found.a_core


def _turn_of(found: Found) -> float:
    return found.cost.turn


def _late_of(found: Found) -> float:
    return found.cost.late


def _p50(found: Found) -> float:
    assert found.answer is not None
    return found.answer.p50


def _p95(found: Found) -> float:
    assert found.answer is not None
    return found.answer.p95


def _p99(found: Found) -> float:
    assert found.answer is not None
    return found.answer.p99


def _busy(found: Found) -> float:
    assert found.answer is not None
    return found.answer.busy


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
