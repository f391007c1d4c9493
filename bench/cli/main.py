"""`bench/run cli [rounds]`: measure commands that only print, and compare them with other systems.

Each round starts every program once. If npm is installed, it installs the programs of other systems.
"""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from bunbase.cli.main import COMMANDS

RESULTS: Final = Path(__file__).parents[1] / "results"
BUNBASE: Final = Path(sys.executable).with_name("bunbase")
PEERS: Final = ("appwrite-cli@12.0.1", "convex@1.48.0", "wrangler@4.86.0")
EXECUTABLES: Final = {"appwrite-cli": "appwrite", "convex": "convex", "wrangler": "wrangler"}
INSTALL_SECONDS: Final = 300
MOST_SECONDS: Final = 30
HELP_GOAL_MS, OTHER_GOAL_MS = 200, 250


class Took(NamedTuple):
    """The time of one command: milliseconds of the clock and of processor time."""

    wall: float
    processor: float


def main(rounds: int = 10) -> int:
    with tempfile.TemporaryDirectory(prefix="bunbase-bench-") as folder:
        programs = dict(ours()) | peers(Path(folder))
        done: dict[str, list[Took]] = {name: [] for name in programs}
        for number in range(rounds + 1):
            for name, words in programs.items():
                took = measured(words, Path(folder))
                if number:  # The first round fills the caches.
                    done[name].append(took)
    text = report({name: Took(*map(median, zip(*each, strict=True))) for name, each in done.items()}, rounds)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-cli.md"
    path.write_text(text, "utf-8")
    sys.stdout.write(f"{text}\nwrote {path}\n")
    return 0


def ours() -> Iterator[tuple[str, list[str]]]:
    """Yield the help of the command and of every subcommand, and Python alone, the fastest possible command."""
    yield "python -c pass", [sys.executable, "-c", "pass"]
    yield "bunbase --help", [str(BUNBASE), "--help"]
    yield "bunbase version", [str(BUNBASE), "version"]
    for _, word, _, _ in COMMANDS:
        yield f"bunbase {word} --help", [str(BUNBASE), word, "--help"]


def peers(folder: Path) -> dict[str, list[str]]:
    """Return the help commands of the programs that npm could install."""
    npm = shutil.which("npm")
    if npm is None:
        return {}
    found = {}
    for package in PEERS:
        home = folder / package.partition("@")[0]
        home.mkdir()
        install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home), package]
        if subprocess.run(install, capture_output=True, timeout=INSTALL_SECONDS, check=False).returncode == 0:
            program = home / "node_modules/.bin" / EXECUTABLES[home.name]
            found[f"{package} --help"] = [str(program), "--help"]
    return found


def measured(words: list[str], folder: Path) -> Took:
    before, started = _processor_ms(), time.perf_counter()
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "CI": "1"}
    subprocess.run(words, capture_output=True, cwd=folder, env=environment, timeout=MOST_SECONDS, check=True)
    return Took((time.perf_counter() - started) * 1000, _processor_ms() - before)


def _processor_ms() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def report(took: dict[str, Took], rounds: int) -> str:
    first = took["bunbase --help"]
    others = [name for name in took if name.startswith("bunbase ") and name != "bunbase --help"]
    slowest = max(others, key=lambda name: took[name].wall)
    slow = _verdict(took[slowest].wall, OTHER_GOAL_MS)
    lines = [
        f"# Commands that only print, {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"`bench/run cli {rounds}`. Medians of {rounds} interleaved rounds, {platform.machine()}, {os.cpu_count()} "
        "processors,",
        f"Python {platform.python_version()}. In brackets: this time divided by that of `bunbase --help`.",
        "",
        f"- Goal: `bunbase --help` within {HELP_GOAL_MS} ms: {_verdict(first.wall, HELP_GOAL_MS)}.",
        f"- Goal: every other help within {OTHER_GOAL_MS} ms: {slow} (`{slowest}`).",
        "",
        "| program | ms | ms of the processor |",
        "|---|---|---|",
    ]
    for name, each in sorted(took.items(), key=lambda one: one[1].wall):
        lines.append(f"| `{name}` | {each.wall:.0f} ({each.wall / first.wall:.2f} ×) | {each.processor:.0f} |")
    return "\n".join(lines) + "\n"


def _verdict(took_ms: float, goal_ms: float) -> str:
    return f"{took_ms:.0f} ms, {'reached' if took_ms <= goal_ms else 'missed'}"


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
