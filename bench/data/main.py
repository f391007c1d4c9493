"""`bench/run data [seconds a round] [rounds]`: measure all servers in each round."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from bench.data.bunbase import bunbase
from bench.data.go_peer import built, go_peer
from bench.data.load import measured
from bench.data.parse_server import installed, parse_server
from bench.data.pocketbase import MODULE, pocketbase
from bench.data.report import Counts, Rounds, report
from bench.data.work import NAMES, Served

RESULTS = Path(__file__).parents[1] / "results"


def main(seconds: int = 3, rounds: int = 3) -> int:
    with tempfile.TemporaryDirectory(prefix="bunbase-bench-") as directory, ExitStack() as stack:
        home = Path(directory)
        home.chmod(
            0o755
        )  # PostgreSQL's user must be able to enter this folder. Otherwise, PostgreSQL keeps its data elsewhere.
        servers = _started(home, stack)
        before = _counts(servers)
        done = _measured(servers, seconds, rounds)
        counts = {name: (before[name], after) for name, after in _counts(servers).items()}
    text = report(servers, done, counts, seconds, rounds)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-data.md"
    path.write_text(text, "utf-8")
    sys.stdout.write(f"{text}\nwrote {path}\n")
    return 0


def _started(home: Path, stack: ExitStack) -> list[Served]:
    _say("building the other servers, then starting and filling all servers")
    go = built(home, "build", "-o", str(home / "peer"), ".")
    pb = built(home, "install", MODULE)
    parse = installed(home / "npm")
    servers = [stack.enter_context(bunbase(home / "fast", True)), stack.enter_context(bunbase(home / "off", False))]
    if go:
        servers.append(stack.enter_context(go_peer(home / "go", home / "peer")))
    if pb:
        servers.append(stack.enter_context(pocketbase(home / "pb", home / "base")))
    if parse:
        servers.append(stack.enter_context(parse_server(home / "parse", home / "npm")))
    return servers


def _measured(servers: Sequence[Served], seconds: int, rounds: int) -> Rounds:
    done: Rounds = {}
    for number in range(rounds + 1):
        for work, name in NAMES.items():
            for served in servers:
                if work in served.work:
                    one = measured(served, work, 1 if number == 0 else seconds)
                    done.setdefault((served.name, work), []).append(one)
                    _say(f"round {number or 'to warm up'} · {served.name} · {name}: {one.rate:.0f}/s")
    return done


def _counts(servers: Sequence[Served]) -> Counts:
    return {served.name: served.counted() for served in servers if served.counted}


def _say(what: str) -> None:
    sys.stderr.write(f"· {what}\n")


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:3])))
