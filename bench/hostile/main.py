"""`bench/run hostile [seconds]`: attack the server through one project, and measure the delay of another project.

Four clients repeat each attack, while a fifth client reads a document of another project. The server has one core, as
in all these benchmarks; the clients have the other cores.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec

from bench.data.running import client, free_port, posted, running, until_up
from bench.data.work import ACCOUNT
from bench.hostile.attacks import DOCUMENTS, RULES, SCHEMAS, Request, attacks, encoded

RESULTS = Path(__file__).parents[1] / "results"
ATTACKERS = 4
PAUSE_SECONDS = 0.005  # Two reads of the other project are this far apart.
GOAL_MS = 50.0
JSON = {"content-type": "application/json"}


class Felt(msgspec.Struct):
    """The result of one attack. `turn_ms`: the CPU time of the longest turn of the event loop; `late_ms`: the longest
    time between two turns, including the work of other threads; `reads`: the milliseconds of each read of the other
    project; `answers`: the number of answers to the attack, by status.
    """

    name: str
    turn_ms: float
    late_ms: float
    reads: list[float]
    answers: Counter[int]


def main(seconds: float = 4.0) -> int:
    with tempfile.TemporaryDirectory(prefix="bunbase-bench-") as directory:
        home = Path(directory)
        with served(home) as (url, attacker, victim):
            felt = [measured("nobody attacks", None, url, attacker, victim, home / "beats", seconds)]
            for name, request in attacks():
                sys.stderr.write(f"· {name}\n")
                felt.append(measured(name, request, url, attacker, victim, home / "beats", seconds))
    text = report(felt, seconds)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-hostile.md"
    path.write_text(text, "utf-8")
    sys.stdout.write(f"{text}\nwrote {path}\n")
    return 0 if all(one.turn_ms <= GOAL_MS for one in felt) else 1


@contextmanager
def served(home: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the server's address, the hostile project's publishable key, and the other project's secret key."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "BUNBASE_PORT": str(port),
        "BUNBASE_DATA_DIR": str(home / "data"),
        "BENCH_BEATS": str(home / "beats"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    with running([sys.executable, "-m", "bench.hostile.server"], home, settings), client(url) as http:
        until_up(http, "/api/ready")
        http.headers["authorization"] = f"Bearer {posted(http, '/api/auth/register', ACCOUNT)['access_token']}"
        hostile, other = (
            {key["kind"]: key["key"] for key in posted(http, "/api/projects", {"name": name})["keys"]}
            for name in ("hostile", "other")
        )
        with client(url, {"x-bunbase-key": hostile["secret"]}) as server:
            _fill(server)
        with client(url, {"x-bunbase-key": other["secret"]}) as server:
            server.put("/v1/data/notes/one", json={"n": 1}).raise_for_status()
        yield url, hostile["publishable"], other["secret"]


def _fill(server: httpx.Client) -> None:
    for collection, rules in RULES.items():
        spec: dict[str, Any] = {"rules": rules}
        if collection in SCHEMAS:
            spec["schema"] = SCHEMAS[collection]
        server.put(f"/v1/collections/{collection}", json=spec).raise_for_status()
    for collection, document in DOCUMENTS.items():
        for id in ("d1", "d2"):
            body = encoded(document)
            server.put(f"/v1/data/{collection}/{id}", content=body, headers=JSON).raise_for_status()


def measured(
    name: str, request: Request | None, url: str, attacker: str, victim: str, beats: Path, seconds: float
) -> Felt:
    began = time.monotonic()
    until = began + seconds
    answers: Counter[int] = Counter()
    threads = [
        threading.Thread(target=_attack, args=(request, url, attacker, until, answers)) for _ in range(ATTACKERS)
    ]
    for thread in threads if request else ():
        thread.start()
    reads = list(_reads(url, victim, until))
    for thread in threads if request else ():
        thread.join()
    late = [tuple(map(float, line.split())) for line in beats.read_text().splitlines()]
    mine = [(cpu, wall) for at, cpu, wall in late if at >= began]
    turn, wall = max((cpu for cpu, _ in mine), default=0.0), max((wall for _, wall in mine), default=0.0)
    return Felt(name, turn, wall, reads, answers)


def _attack(request: Request, url: str, key: str, until: float, answers: Counter[int]) -> None:
    method, path, body = request
    content = encoded(body)
    with client(url, {"x-bunbase-key": key, **JSON}) as http:
        while time.monotonic() < until:
            try:
                answers[http.request(method, path, content=content).status_code] += 1
            except httpx.TransportError:
                answers[0] += 1


def _reads(url: str, key: str, until: float) -> Iterator[float]:
    with client(url, {"x-bunbase-key": key}) as http:
        while time.monotonic() < until:
            began = time.perf_counter()
            http.get("/v1/data/notes/one").raise_for_status()
            yield (time.perf_counter() - began) * 1e3
            time.sleep(PAUSE_SECONDS)


def report(felt: list[Felt], seconds: float) -> str:
    rows = [
        f"| {one.name} | {one.turn_ms:.1f} | {one.late_ms:.0f} | {_share(one.reads, 0.5):.1f} "
        f"| {_share(one.reads, 0.99):.0f} | {max(one.reads):.0f} | {_answered(one.answers)} |"
        for one in felt
    ]
    worst = max(one.turn_ms for one in felt)
    lines = [
        f"# How one hostile project slows another, {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"`bench/run hostile {seconds:g}`: {ATTACKERS} clients send each attack for {seconds:g} s, while one client",
        "reads a document of another project. The server has one core. All times are in milliseconds.",
        "",
        "- `turn`: the CPU time of the longest turn of the event loop. All other callers wait for this turn.",
        "- `late`: the longest time between two turns. It includes the time in which another thread held the",
        "  interpreter lock, or another process used the core.",
        "- `read`: the reads of the other project.",
        "",
        f"The goal: no turn above {GOAL_MS:g} ms. The longest turn: {worst:.1f} ms.",
        "",
        "| attack | turn | late | read, p50 | p99 | worst | answers |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
        f"- machine: {os.cpu_count()} cores, Linux {platform.release()}; load average over the last 5 minutes:"
        f" {os.getloadavg()[1]:.1f} (other work shared the machine if this is above {os.cpu_count()})",
        f"- Python {platform.python_version()}",
    ]
    return "\n".join(lines) + "\n"


def _share(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


def _answered(answers: Counter[int]) -> str:
    return ", ".join(f"{number}×{status or 'hung up'}" for status, number in sorted(answers.items())) or "–"


if __name__ == "__main__":
    sys.exit(main(*(float(argument) for argument in sys.argv[1:2])))
