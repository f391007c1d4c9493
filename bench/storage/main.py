"""`bench/run storage [seconds a round] [rounds]`: files, compared with versitygw and with the server of moto.

The servers are measured in turn, in interleaved rounds. The server has core 0, the load has core 1.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.data.go_peer import built
from bench.storage import sdk_load
from bench.storage.load import Order, measured
from bench.storage.meters import costing
from bench.storage.report import Found, Rounds, report
from bench.storage.servers import VERSITYGW_MODULE, bunbase, moto, moto_installed, versitygw
from bench.storage.signing import Shot, list_shot, shot
from bench.storage.streams import Order as Streaming
from bench.storage.streams import streamed
from bench.storage.work import HUGE, LARGE, LISTS, MILLION, RANGE, READ, SMALL, Server, Target

RESULTS: Final = Path(__file__).parents[1] / "results"
NEW: Final = {"put small": (SMALL, 4000), "put large": (LARGE, 200)}  # sizes, and the number of new keys
LISTED: Final = {"list groups": "", "list keys": "group0500/"}


def main(seconds: int = 2, rounds: int = 2) -> int:
    with tempfile.TemporaryDirectory(prefix="bunbase-bench-") as directory, ExitStack() as stack:
        home = Path(directory)
        home.chmod(0o755)  # PostgreSQL's user must be able to enter this folder.
        servers = [stack.enter_context(bunbase(home / "bunbase"))]
        if built(home, "install", VERSITYGW_MODULE):
            servers.append(stack.enter_context(versitygw(home / "peer", home / "versitygw")))
        if moto_installed(home / "environment"):
            servers.append(stack.enter_context(moto(home / "moto", home / "environment")))
        for server in servers:
            sdk_load.calls(server.s3, "fill", 0, 0)
        done: Rounds = {}
        for number in range(rounds + 1):
            for server in servers:
                run_round(server, done, number, seconds if number else 1)
        text = report(servers, done, seconds, rounds)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-storage.md"
    path.write_text(text, "utf-8")
    sys.stdout.write(f"{text}\nwrote {path}\n")
    return 0


def run_round(server: Server, done: Rounds, number: int, seconds: float) -> None:
    """Measure a server. The first round, 0, warms it up; only the streams of this round count, for the memory that
    they take before anything else has been large.
    """

    def note(target: Target, work: str, found: Found) -> None:
        sys.stderr.write(f"· round {number} · {target.name} · {work}: {found}\n")
        if number or "stream" in work:
            done.setdefault((target.name, work), []).append(found)

    for work in ("stream up", "stream down") if server.raw else ():
        for target in server.targets:
            note(target, work, stream(server, target, work))
        note(server.s3, f"sdk {work}", called(server, work, seconds, number))
    for target in server.targets if server.raw else ():
        for work in ("put small", "get small", "put large", "get large", "range"):
            note(target, work, rates(server, target, work, seconds, number))
        for work in LISTED if server.has_million else ():
            note(target, work, listed(server, target, work))
    for work in sdk_load.WORK:
        note(server.s3, f"sdk {work}", called(server, work, seconds, number))


def rates(server: Server, target: Target, work: str, seconds: float, number: int) -> Found:
    order = Order(target.url, shots(target, work, number), seconds)
    with costing(server) as cost:
        answer = measured(order)
    return Found(answer.rate, answer.answered / max(cost.cpu, 0.01), answer, cost)


def shots(target: Target, work: str, number: int) -> tuple[Shot, ...]:
    if work in NEW:
        size, many = NEW[work]
        return tuple(shot(target, "PUT", f"raw-{work[4:]}-{number}-{n}", size) for n in range(many))
    if work == "range":
        return tuple(
            shot(target, "GET", f"large{n}", range=f"bytes={start}-{start + RANGE - 1}")
            for n in range(READ)
            for start in (0, LARGE // 2, LARGE - RANGE)
        )
    return tuple(shot(target, "GET", f"{work[4:]}{n}") for n in range(READ))


def listed(server: Server, target: Target, work: str) -> Found:
    order = Order(target.url, (list_shot(target, MILLION, LISTED[work]),), 60.0, connections=1, most=LISTS)
    with costing(server) as cost:
        answer = measured(order)
    return Found(answer.rate, answer.answered / max(cost.cpu, 0.01), answer, cost)


def stream(server: Server, target: Target, work: str) -> Found:
    name = "huge-s3" if target.is_s3 else "huge"
    sent = shot(target, "PUT", name, HUGE) if work == "stream up" else shot(target, "GET", name)
    with costing(server) as cost:
        took = streamed(Streaming(target.url, sent))
    if work == "stream down":
        streamed(Streaming(target.url, shot(target, "DELETE", name)))
    return Found(HUGE / 1e6 / took, HUGE / 1e6 / max(cost.cpu, 0.01), None, cost)


def called(server: Server, work: str, seconds: float, number: int) -> Found:
    with costing(server) as cost:
        rate = sdk_load.calls(server.s3, work, seconds, number)
    if work.startswith("stream"):
        return Found(HUGE / 1e6 / rate, HUGE / 1e6 / max(cost.cpu, 0.01), None, cost)
    return Found(rate, rate * seconds / max(cost.cpu, 0.01), None, cost)


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:3])))
