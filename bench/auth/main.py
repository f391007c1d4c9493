"""`bench/run auth [seconds a round] [rounds]`: measure sign-ins together with other requests.

The other requests are reads, refreshes and requests of signed-in users.

The servers are measured in turn, in interleaved rounds. The server has core 0, the load has core 1.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from bench.auth.load import Felt, Order, Stream, felt
from bench.auth.servers import USERS, Server, bunbase, pocketbase
from bench.data.go_peer import built
from bench.data.pocketbase import MODULE
from bench.data.running import client

RESULTS: Final = Path(__file__).parents[1] / "results"
READS: Final = 200.0  # The load has this many reads a second.
LOGINS: Final = (10.0, 50.0)  # The load has this many sign-ins a second.
ALONE: Final = "reads alone"

Rounds = dict[tuple[str, str], list[Felt]]  # The keys are the name of the server and the name of the work.


def main(seconds: int = 4, rounds: int = 3) -> int:
    with tempfile.TemporaryDirectory(prefix="bunbase-bench-") as directory, ExitStack() as stack:
        home = Path(directory)
        home.chmod(0o755)  # PostgreSQL's user must be able to enter this folder.
        servers = [stack.enter_context(bunbase(home / "bunbase"))]
        if built(home, "install", MODULE):
            servers.append(stack.enter_context(pocketbase(home / "pocketbase", home / "base")))
        done = measured(servers, seconds, rounds)
    text = report(servers, done, seconds, rounds)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-auth.md"
    path.write_text(text, "utf-8")
    sys.stdout.write(f"{text}\nwrote {path}\n")
    return 0


def measured(servers: list[Server], seconds: float, rounds: int) -> Rounds:
    """Return the measurements of all rounds except the first round, which warms the servers up."""
    done: Rounds = {}
    for number in range(rounds + 1):
        for work, streams in WORK.items():
            for server in servers:
                answers = felt(Order(server.url, seconds if number else 1.0, streams(server)))
                _settle(server)
                for name, answer in answers.items():
                    sys.stderr.write(f"· round {number} · {server.name} · {work}: {name} {answer.rate:.0f}/s\n")
                    if number:
                        done.setdefault((server.name, f"{work}: {name}"), []).append(answer)
    return done


def _settle(server: Server) -> None:
    """Wait until the server has finished the sign-ins of the last measurement: until it answers one more sign-in."""
    call = server.logins[0]
    with client(server.url) as http:
        while not http.request(call.method, call.paths[0], content=call.body, headers=call.headers).is_success:
            time.sleep(1)


def reads(server: Server) -> Stream:
    return Stream("reads", (server.read,), READS)


def reads_alone(server: Server) -> tuple[Stream, ...]:
    return (reads(server),)


def beside(rate: float) -> Callable[[Server], tuple[Stream, ...]]:
    return lambda server: (reads(server), Stream("logins", server.logins, rate))


def refreshes(server: Server) -> tuple[Stream, ...]:
    """Sign every user in. After this, each connection refreshes its own session repeatedly."""
    with client(server.url) as http:
        answers = [
            http.request(call.method, call.paths[0], content=call.body, headers=call.headers).raise_for_status()
            for call in server.logins
        ]
    first = tuple(str(answer.json()[server.token]) for answer in answers)
    return (Stream("refreshes", (server.refresh,), connections=USERS, token=server.token, first=first),)


WORK: Final[dict[str, Callable[[Server], tuple[Stream, ...]]]] = {
    ALONE: reads_alone,
    **{f"{rate:g} logins a second": beside(rate) for rate in LOGINS},
    "most logins": lambda server: (Stream("logins", server.logins),),
    "most refreshes": refreshes,
    "most requests with a token": lambda server: (Stream("requests", server.me),),
}
ROWS: Final = {
    f"{ALONE}: reads": "reads alone",
    **{f"{rate:g} logins a second: reads": f"reads beside {rate:g} logins/s" for rate in LOGINS},
    **{f"{rate:g} logins a second: logins": f"the {rate:g} logins/s" for rate in LOGINS},
    "most logins: logins": "logins, as many as possible",
    "most refreshes: refreshes": "refreshes, as many as possible",
    "most requests with a token: requests": "own account with a token, as many as possible",
}


def report(servers: list[Server], done: Rounds, seconds: float, rounds: int) -> str:
    names = [server.name for server in servers]
    lines = [
        f"# Sign-ins beside reads, {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"`bench/run auth {seconds:g} {rounds}`. Medians of {rounds} interleaved rounds of {seconds:g} s.",
        f"{READS:g} reads of documents a second are sent at a fixed rate, alone and beside sign-ins of end users.",
        f"`as many as possible`: over {USERS} connections. In brackets: BunBase's rate divided by this rate. Only the",
        "ratios are comparable with those of other machines.",
        "",
        "Answers a second:",
        "",
        *_table(names, [(ROWS[row], [_rate(done, names[0], name, row) for name in names]) for row in ROWS]),
        "",
        "Latency in milliseconds, p50 / p99 / worst, and in brackets the number of answers that are not 2xx:",
        "",
        *_table(names, [(ROWS[row], [_waits(done, name, row) for name in names]) for row in ROWS]),
        "",
        *(f"- {server.notes}" for server in servers),
        "- servers on core 0, load on core 1; PostgreSQL of BunBase shares core 0",
        f"- machine: {os.cpu_count()} cores, Linux {platform.release()}; load average over the last 5 minutes:"
        f" {os.getloadavg()[1]:.1f} (other work shared the machine if this is above 2)",
    ]
    return "\n".join(lines) + "\n"


def _table(names: list[str], rows: list[tuple[str, list[str]]]) -> list[str]:
    head = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    return [*head, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows)]


def _rate(done: Rounds, first: str, name: str, row: str) -> str:
    rate, own = _median(done[name, row], "rate"), _median(done[first, row], "rate")
    return f"{rate:,.0f}" + ("" if name == first or not rate else f" ({own / rate:.2f} ×)")


def _waits(done: Rounds, name: str, row: str) -> str:
    answers = done[name, row]
    p50, p99, worst = (_median(answers, what) for what in ("p50", "p99", "worst"))
    failed = sum(answer.failed for answer in answers)
    return f"{p50:.1f} / {p99:.0f} / {worst:.0f}" + (f" ({failed})" if failed else "")


def _median(answers: list[Felt], what: str) -> float:
    return median(float(getattr(answer, what)) for answer in answers)


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:3])))
