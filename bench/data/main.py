"""`bench/run data [seconds a round] [rounds]`: every server in turn, so that all feel the same weather."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.data.load import CONNECTIONS, WORK, WRK, requests_a_second
from bench.data.servers import DOCUMENTS, PEER, Served, built, bunbase, go_peer, pocketbase

RESULTS = Path(__file__).parents[1] / "results"
NAMES = {"read": "get one document", "list": "list of 20", "create": "durable create"}

Rates = dict[tuple[str, str], list[float]]


def main(seconds: int = 3, rounds: int = 3) -> int:
    with tempfile.TemporaryDirectory(prefix="bunbase-bench-") as directory, ExitStack() as stack:
        home = Path(directory)
        home.chmod(0o755)  # PostgreSQL's own user must get through, or root's run leaves its data outside
        _say("building the servers to compare with")
        peer, pb = built(home)
        servers = [stack.enter_context(bunbase(home / "fast", True)), stack.enter_context(bunbase(home / "off", False))]
        if peer:
            servers.append(stack.enter_context(go_peer(home / "go", peer)))
        if pb:
            servers.append(stack.enter_context(pocketbase(home / "pb", pb)))
        rates = measured(servers, seconds, rounds)
    text = report([served.name for served in servers], rates, seconds, rounds)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-data.md"
    path.write_text(text, "utf-8")
    sys.stdout.write(f"{text}\nwrote {path}\n")
    return 0


def measured(servers: Sequence[Served], seconds: int, rounds: int) -> Rates:
    rates: Rates = {}
    for number in range(rounds + 1):
        for work in WORK:
            for served in servers:
                rate = requests_a_second(served, work, 1 if number == 0 else seconds)
                _say(f"round {number or 'to warm up'} · {served.name} · {NAMES[work]}: {rate:.0f}/s")
                if number:
                    rates.setdefault((served.name, work), []).append(rate)
    return rates


def report(names: Sequence[str], rates: Rates, seconds: int, rounds: int) -> str:
    """Medians, and how often BunBase's fast lane goes into each."""
    lines = [
        f"# Documents over HTTP, {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"`bench/run data {seconds} {rounds}`. Requests a second, medians of {rounds} interleaved rounds of",
        f"{seconds} s, {CONNECTIONS} keep-alive connections, {DOCUMENTS} documents of 400 bytes.",
        "In brackets: how many times slower than the fast lane. Only the ratios carry over to another machine.",
        "",
        "| | " + " | ".join(NAMES[work] for work in WORK) + " |",
        "|---|" + "---|" * len(WORK),
        *(f"| {name} | " + " | ".join(_cell(rates, names[0], name, work) for work in WORK) + " |" for name in names),
        "",
        *(f"- {line}" for line in settings(names)),
    ]
    return "\n".join(lines) + "\n"


def settings(names: Sequence[str]) -> list[str]:
    load = "wrk" if WRK else "bench/data/own_load.py, which is the bottleneck beyond some 15,000 requests a second"
    said = [
        f"machine: {_cpu()}, {os.cpu_count()} cores, Linux {platform.release()}; load average over the last 5"
        f" minutes: {os.getloadavg()[1]:.1f} (other work shared the machine if this is above 2)",
        f"servers on core 0, load on core 1 by {load}; servers that are not being measured are idle",
        f"BunBase: `bunbase dev`, Python {platform.python_version()}, uvicorn {version('uvicorn')}, apsw-sqlite3mc"
        f" {version('apsw-sqlite3mc')}; pages encrypted (ChaCha20), secret key checked, one log line a request, creates"
        " wait for fsync (group commit)",
    ]
    if any(name.startswith("Go") for name in names):
        go = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout.split()[2]
        module = next(line for line in (PEER / "go.mod").read_text().splitlines() if "modernc.org/sqlite" in line)
        said.append(
            f"Go server (bench/peers/go): {go}, {' '.join(module.split()[-2:])}, GOMAXPROCS=1, WAL,"
            " synchronous=FULL, 64 MB cache; not encrypted, no log"
        )
    if any(name.startswith("PocketBase") for name in names):
        said.append(
            "PocketBase: as it comes (WAL, synchronous=NORMAL: it does not wait for fsync), rules open to all,"
            " `skipTotal=1` on lists; not encrypted"
        )
    return said


def _cell(rates: Rates, first: str, name: str, work: str) -> str:
    rate = statistics.median(rates[name, work])
    ratio = statistics.median(rates[first, work]) / rate
    return f"{rate:,.0f}" + ("" if name == first else f" ({ratio:.1f} ×)")


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _say(what: str) -> None:
    sys.stderr.write(f"· {what}\n")


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:3])))
