"""Long searches for a history that breaks the promise of live queries. bench/results has a table of the longest."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import msgspec

from bunbase import __version__

SECONDS: Final = float(os.environ.get("BUNBASE_LIVE_SECONDS", "0"))
SEED: Final = os.environ.get("BUNBASE_LIVE_SEED", "")
# All histories repeat the seed. A fault may also depend on the timing, so one run may miss it.
SAME: Final = "BUNBASE_LIVE_SAME" in os.environ
RESULTS: Final = Path(__file__).parents[3] / "bench/results"
RECORDED_SECONDS: Final = 1800.0  # The result of a shorter search is only printed.
HEAD: Final = """# Histories of live queries, {date}

`BUNBASE_LIVE_SECONDS={seconds:.0f} make live`. Each row is one search. Each history has its own seed, and the seeds of
a search follow each other; `BUNBASE_LIVE_SEED=<seed>` repeats a history. *Results* are those that a client held at a
barrier, each compared with the oracle. *Kills* are those of a process of the server, with kill -9.

| began (UTC) | version | search | seconds | seeds | histories | results | resumes | restores | kills | violations |
|---|---|---|---|---|---|---|---|---|---|---|
"""


class Checked(Protocol):
    """A history that has been run and compared."""

    checked: int
    resumed: int
    restores: int
    kills: int


class Search(msgspec.Struct):
    """One search. `name`: the name of its histories. `wanted_seconds`: the length of the search. `first`: the first
    seed.
    """

    name: str
    wanted_seconds: float
    first: int
    version: str
    began: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    start: float = msgspec.field(default_factory=time.monotonic)
    histories: int = 0
    results: int = 0
    resumes: int = 0
    restores: int = 0
    kills: int = 0
    violations: int = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.start

    def seeds(self) -> Iterator[int]:
        """Yield the seed of each history, until the time is over."""
        while self.seconds < self.wanted_seconds:
            seed = self.first if SAME else self.first + self.histories
            sys.stderr.write(f"seed {seed}\n")
            yield seed

    def count(self, history: Checked) -> None:
        self.histories += 1
        self.results += history.checked
        self.resumes += history.resumed
        self.restores += history.restores
        self.kills += history.kills

    def line(self) -> str:
        """Return the row of the table."""
        seeds = f"{self.first} to {self.first + self.histories + self.violations - 1}"
        counts = (self.histories, self.results, self.resumes, self.restores, self.kills, self.violations)
        cells = (f"{self.began:%Y-%m-%d %H:%M}", self.version, self.name, f"{self.seconds:.0f}", seeds)
        return "| " + " | ".join([*cells, *[f"{count:,}" for count in counts]]) + " |"

    def record(self) -> None:
        """Append the row to the table of its day, if the search was meant to be long."""
        if self.wanted_seconds < RECORDED_SECONDS or SAME:
            return
        path = RESULTS / f"{self.began:%Y-%m-%d}-live-histories.md"
        if not path.exists():
            path.write_text(HEAD.format(date=f"{self.began:%Y-%m-%d}", seconds=self.wanted_seconds))
        with path.open("a") as file:
            file.write(self.line() + "\n")


@contextmanager
def search(name: str, seconds: float) -> Iterator[Search]:
    """Yield a search, and print and record its result. A history that fails is a violation."""
    found = Search(name, seconds, int(SEED) if SEED else random.SystemRandom().getrandbits(26), version())
    try:
        yield found
    except BaseException:
        found.violations += 1
        raise
    finally:
        sys.stderr.write(f"{found.line()}\n")
        found.record()


def version() -> str:
    """Return the version, and the commit of the checkout if there is one."""
    command = ("git", "-C", str(RESULTS), "describe", "--always", "--dirty", "--exclude=*")
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{__version__} ({said.stdout.strip()})" if said.returncode == 0 else __version__
