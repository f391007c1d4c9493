"""`bench/run live [sockets] [rounds]`: measure one query that many sockets watch, while its document changes.

The servers are measured in turn, in interleaved rounds. The server has core 0; the sockets and the writer have core 1.
"""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from bench.data.go_peer import built
from bench.data.pocketbase import MODULE
from bench.live.load import Heard, Order, listen
from bench.live.peers import CENTRIFUGO_MODULE, WS, centrifugo, node_ws, pocketbase
from bench.live.servers import COLLECTIONS, Server, bunbase

RESULTS: Final = Path(__file__).parents[1] / "results"
WRITES: Final = 20
GAP_SECONDS: Final = 0.25
TICK: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
NAMES: Final = {"open": "rule: everybody", "ruled": "rule: n > 0"}


class Found(msgspec.Struct, frozen=True):
    """The result for one server. `cpu`: the server's processor time for each delivered message, in microseconds.

    `memory`: bytes per socket.
    """

    heard: Heard
    cpu: float
    memory: float


def main(sockets: int = 1000, rounds: int = 3) -> int:
    _allow_files(sockets)
    with tempfile.TemporaryDirectory(prefix="bunbase-bench-") as directory, ExitStack() as stack:
        home = Path(directory)
        home.chmod(0o755)  # PostgreSQL's user must be able to enter this folder.
        servers = [stack.enter_context(bunbase(home / "bunbase"))]
        if built(home, "install", MODULE):
            servers.append(stack.enter_context(pocketbase(home / "pocketbase", home / "base")))
        if built(home, "install", CENTRIFUGO_MODULE):
            servers.append(stack.enter_context(centrifugo(home / "peer", home / "centrifugo")))
        if WS.exists() and shutil.which("node"):
            servers.append(stack.enter_context(node_ws(home / "ws")))
        found: dict[tuple[str, str], list[Found]] = {}
        for number in range(rounds):
            for name in COLLECTIONS:
                for server in (one for one in servers if name in one.feeds):
                    one = measured(server, name, sockets)
                    found.setdefault((server.name, name), []).append(one)
                    sys.stderr.write(f"· round {number} · {server.name} · {name}: {one.cpu:.1f} µs, {one.heard}\n")
    text = report(servers, found, sockets, rounds)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-live.md"
    path.write_text(text, "utf-8")
    sys.stdout.write(f"{text}\nwrote {path}\n")
    return 0


def measured(server: Server, name: str, sockets: int) -> Found:
    spent, before = list[float](), memory_of(server)
    order = Order(server.url, server.feeds[name], sockets, WRITES, GAP_SECONDS)
    grown = 0.0

    def started() -> None:
        nonlocal grown
        grown = memory_of(server) - before
        spent.append(processor_seconds(server))

    heard = listen(order, started, lambda: spent.append(processor_seconds(server)))
    return Found(heard, (spent[1] - spent[0]) * 1e6 / max(1, heard.delivered), grown / sockets)


def processes_of(server: Server) -> list[Path]:
    """Return the folders in /proc of a server's processes, without the processes of its database."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            told += (folder / "environ").read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if server.process in told and "taskset" not in told.split(" ", 1)[0]:
            found.append(folder)
    return found


def processor_seconds(server: Server) -> float:
    """Return the processor time that the processes of a server have used, in seconds."""
    total = 0
    for folder in processes_of(server):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def memory_of(server: Server) -> float:
    """Return the resident memory of the processes of a server, in bytes."""
    total = 0
    for folder in processes_of(server):
        try:
            total += int((folder / "statm").read_text().split()[1]) * PAGE
        except OSError:
            continue
    return total


def report(servers: list[Server], found: dict[tuple[str, str], list[Found]], sockets: int, rounds: int) -> str:
    first = servers[0].name
    head = ["| | " + " | ".join(server.name for server in servers) + " |", "|---|" + "---:|" * len(servers)]
    rows = []
    for name in COLLECTIONS:
        for what, digits in ROWS.items():
            if what == MEMORY and name != COLLECTIONS[0]:
                continue
            cells = []
            for server in servers:
                if name not in server.feeds:
                    cells.append("–")
                    continue
                value, own = (_middle(what, found[one, name]) for one in (server.name, first))
                ratio = "" if server.name == first or not own else f" ({value / own:.2f})"
                cells.append(f"{value:.{digits}f}{ratio}")
            rows.append(f"| {NAMES[name]}: {what} | " + " | ".join(cells) + " |")
    return "\n".join(
        [
            f"# Live queries, {datetime.now(UTC):%Y-%m-%d}",
            "",
            f"`bench/run live {sockets} {rounds}`: {sockets} sockets watch one query, and {WRITES} writes change its",
            f"document, one each {GAP_SECONDS} s. Medians of {rounds} interleaved rounds; memory is that of the",
            "first round. In brackets: the value divided by BunBase's. Only the ratios are comparable with those of",
            "other machines. Times are from before the write is sent until a socket has the message.",
            "",
            *head,
            *rows,
            "",
            *(f"- {server.notes}" for server in servers),
            f"- machine: {os.cpu_count()} cores, Linux {platform.release()}; load average over the last 5 minutes:"
            f" {os.getloadavg()[1]:.1f}; the server has one core, the load the other",
            "",
        ]
    )


def _middle(what: str, found: list[Found]) -> float:
    """Return the median of all rounds.

    For memory, return the first round, because a server reuses this memory for the next sockets.
    """
    values = [float(VALUES[what](one)) for one in found]
    return values[0] if what == MEMORY else median(values)


MEMORY: Final = "memory for a socket, KB"
VALUES: Final = {
    "processor time for a message, µs": lambda one: one.cpu,
    "median time to a socket, ms": lambda one: one.heard.p50,
    "99th percentile, ms": lambda one: one.heard.p99,
    "median time of the write, ms": lambda one: one.heard.write_ms,
    "bytes for a message": lambda one: one.heard.bytes / max(1, one.heard.delivered),
    MEMORY: lambda one: one.memory / 1000,
    "delivered, %": lambda one: 100 * one.heard.delivered / one.heard.wanted,
}
ROWS: Final = {name: 0 if "%" in name or "bytes" in name else 1 for name in VALUES}


def _allow_files(sockets: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, max(4096, sockets * 2)), most))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
