"""`bench/run functions [seconds a round] [rounds]`: measure all servers in each round."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from bench.functions.load import Measured, measured
from bench.functions.servers import BUN, HELLO, BunBase, Served, bare_bun, bunbase, workerd

RESULTS: Final = Path(__file__).parents[1] / "results"
IN_FLIGHT: Final = (1, 16, 64)
SIZES: Final = {"5 KB": 5_000, "500 KB": 500_000}
FIRST_CALLS: Final = 20
SETTLE_SECONDS: Final = 0.4  # In this time, the server prewarms the next worker.
BUN_HEAD: Final = "// @bun @bun-cjs\n(function(exports, require, module, __filename, __dirname) {"

Rounds = dict[tuple[str, int], list[Measured]]


def main(seconds: int = 3, rounds: int = 3) -> int:
    if shutil.which("wrk") is None:
        sys.stderr.write("bench/run functions needs wrk\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="bunbase-bench-") as directory, ExitStack() as stack:
        home = Path(directory)
        home.chmod(0o755)  # PostgreSQL's user must be able to enter this folder.
        own = stack.enter_context(bunbase(home / "own"))
        own.deploy("hello", HELLO)
        peers = [stack.enter_context(bare_bun(home / "bun")), stack.enter_context(workerd(home / "workerd"))]
        servers = [own.served("hello"), *(peer for peer in peers if peer is not None)]
        warm = warm_calls(servers, seconds, rounds)
        first = {f"never run, prewarmed, {name}": first_calls(own, name, size) for name, size in SIZES.items()}
    with tempfile.TemporaryDirectory(prefix="bunbase-bench-") as directory:
        home = Path(directory)
        home.chmod(0o755)
        with bunbase(home / "cold", BUNBASE_FUNCTIONS__PREWARMED="0") as own:
            first |= {f"cold, {name}": first_calls(own, name, size) for name, size in SIZES.items()}
    text = report([served.name for served in servers], warm, first, seconds, rounds)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-functions.md"
    path.write_text(text, "utf-8")
    sys.stdout.write(f"{text}\nwrote {path}\n")
    return 0


def warm_calls(servers: list[Served], seconds: int, rounds: int) -> Rounds:
    done: Rounds = {}
    for number in range(rounds + 1):
        for in_flight in IN_FLIGHT:
            for served in servers:
                one = measured(served, in_flight, seconds if number else 1)
                if number:
                    done.setdefault((served.name, in_flight), []).append(one)
                sys.stderr.write(f"· round {number} · {in_flight} in flight · {served.name}: {one.rate:.0f}/s\n")
    return done


def first_calls(own: BunBase, name: str, size: int) -> list[float]:
    """Deploy FIRST_CALLS functions of this size; return the milliseconds of the first call of each, sorted."""
    took = []
    for number in range(FIRST_CALLS):
        function = f"first-{name.split()[0]}-{number}"
        own.deploy(function, _padded(size, number))
        served = own.served(function)
        time.sleep(SETTLE_SECONDS)
        own.http.get("/api/health")  # This opens the connection outside of the measurement.
        began = time.perf_counter()
        answer = own.http.get(served.path, headers={**served.headers, "authorization": ""})
        took.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
    return sorted(took)


def _padded(size: int, number: int) -> str:
    """Return a bundle of this size that resembles bundled libraries: many functions that are never called."""
    line = "function unused_%d(a, b) { return a.map((one) => one + b).filter(Boolean).join('-') + %d; }\n"
    lines = "".join(line % (index, number) for index in range(max(1, size // 95)))
    return f"{BUN_HEAD}{lines}{HELLO}}})\n"


def report(names: list[str], warm: Rounds, first: dict[str, list[float]], seconds: int, rounds: int) -> str:
    def cell(name: str, in_flight: int) -> str:
        done = warm[name, in_flight]
        rate, p50, p99 = (median(getattr(one, what) for one in done) for what in ("rate", "p50", "p99"))
        own = median(one.rate for one in warm[names[0], in_flight])
        times = "" if name == names[0] else f" ({rate / own:.1f} ×)"
        return f"{rate:,.0f}{times} · {p50:.2f} / {p99:.1f}"

    added = median(one.p50 for one in warm[names[0], 1]) - median(one.p50 for one in warm["bare Bun", 1])
    lines = [
        f"# Calls of functions, {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"`bench/run functions {seconds} {rounds}` calls a function that answers `hello`. Each cell has the calls per",
        f"second · the latency in milliseconds at p50 / p99, as medians of {rounds} interleaved rounds of {seconds} s.",
        "In brackets: this rate divided by BunBase's rate. The servers and the load (wrk, one thread) share two cores.",
        "BunBase checks the key, confines the function in a separate process, and counts and logs every call. Bare Bun",
        "and workerd do not do this: they show how much BunBase could gain at most, and are not competitors.",
        "",
        "| in flight | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
        *(f"| {n} | " + " | ".join(cell(name, n) for name in names) + " |" for n in IN_FLIGHT),
        "",
        f"At p50 with one call in flight, BunBase adds {added:.2f} ms to bare Bun (goal: 0.3). Goal: 10,000 calls/s.",
        "",
        f"The first call of a function: {FIRST_CALLS} functions per row, in milliseconds at the client (goal for",
        "500 KB, prewarmed: 15 at p95):",
        "",
        "| | p50 | p95 | worst |",
        "|---|---|---|---|",
        *(
            f"| {name} | {took[len(took) // 2]:.1f} | {took[int(len(took) * 0.95) - 1]:.1f} | {took[-1]:.1f} |"
            for name, took in first.items()
        ),
        "",
        f"- machine: {os.cpu_count()} cores, Linux {platform.release()}; load average over the last 5 minutes:"
        f" {os.getloadavg()[1]:.1f} (other work shared the machine if this is above 2)",
        f"- Python {platform.python_version()}, Bun {_bun_version()}; `bunbase dev` with default settings",
    ]
    return "\n".join(lines) + "\n"


def _bun_version() -> str:
    return subprocess.run([BUN, "--version"], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:3])))
